// Open sessions: list and end them.

import { type AccountPage, showRows } from './account_page.js'
import { agentName } from './agents.js'
import { timeElement } from './dates.js'
import { cloneTemplate, find, isolate, showParts } from './dom.js'
import { api } from './page_data.js'
import { text, textWith } from './texts.js'

interface Session {
  sessionId: string
  dateLastSeen: string
  isCurrent: boolean
  address: string
  userAgent: string
}

export class Sessions {
  readonly #account: AccountPage
  readonly #heading = find('#sessions-heading', HTMLElement)
  readonly #list = find('[data-sessions]', HTMLElement)
  readonly #endOthers = find('[data-end-others]', HTMLButtonElement)
  readonly #alwaysOffered = !this.#endOthers.hidden
  #others: readonly Session[] = []

  constructor(account: AccountPage) {
    this.#account = account
    this.#endOthers.addEventListener('click', () => {
      void account.change('done.others', () => api.call('PUT', 'auth/sessions/end-others', {}))
    })
    account.addSection(() => this.#load())
  }

  async #load(): Promise<void> {
    const { items } = await api.call<{ items: Session[] }>('GET', 'auth/sessions')
    const current = items.filter(({ isCurrent }) => isCurrent)
    this.#others = items.filter(({ isCurrent }) => !isCurrent)
    showRows(this.#list, [...current, ...this.#others].map((each) => this.#row(each)), this.#heading)
    if (this.#alwaysOffered) return
    if (document.activeElement === this.#endOthers && this.#others.length === 0) this.#heading.focus()
    this.#endOthers.hidden = this.#others.length === 0
  }

  #row(session: Session): HTMLElement {
    const { sessionId, isCurrent, userAgent, address, dateLastSeen } = session
    const row = cloneTemplate('template[data-session-row]')
    row.dataset['row'] = sessionId
    row.dataset['kind'] = /Android|iPhone|iPad|Mobile/.test(userAgent) ? 'phone' : 'computer'
    const heading = find('[data-name]', HTMLElement, row)
    heading.id = `session-${sessionId}`
    heading.textContent = agentName(userAgent) || text('agent.unknown')
    find('[data-current]', HTMLElement, row).hidden = !isCurrent
    const seen = isCurrent ? [text('seen.now')] : textWith('seen', { date: timeElement(dateLastSeen) })
    const from = address ? [textWith('from', { address: isolate(address) })] : []
    showParts(find('[data-about]', HTMLElement, row), [seen, ...from])
    const end = find('[data-do=end]', HTMLButtonElement, row)
    end.hidden = isCurrent
    end.setAttribute('aria-describedby', heading.id)
    end.addEventListener('click', () => void this.#account.change('done.end', () => this.#end(session)))
    return row
  }

  #end({ sessionId }: Session): Promise<unknown> {
    return api.call('PUT', 'auth/sessions/end', { sessionId })
  }
}
