// The account's events, newest first.

import { type AccountPage, showRows } from './account_page.js'
import { agentName } from './agents.js'
import { timeElement } from './dates.js'
import { cloneTemplate, find } from './dom.js'
import { api } from './page_data.js'
import { hasText, text } from './texts.js'

interface Event {
  kind: string
  date: string
  address: string
  userAgent: string
}

const INITIAL_LIMIT = 10
const MAX_LIMIT = 100

export class Activity {
  readonly #heading = find('#activity-heading', HTMLElement)
  readonly #list = find('[data-activity]', HTMLElement)
  readonly #more = find('[data-more-activity]', HTMLButtonElement)
  #limit = INITIAL_LIMIT

  constructor(account: AccountPage) {
    this.#more.addEventListener('click', () => {
      this.#limit = MAX_LIMIT
      this.#heading.focus()
      void account.guard.run('loading', () => this.#load(), account.errorHandler(account.guard))
    })
    account.addSection(() => this.#load())
  }

  async #load(): Promise<void> {
    const { items } = await api.call<{ items: Event[] }>('GET', `auth/activity?limit=${this.#limit}`)
    this.#more.hidden = items.length < this.#limit || this.#limit === MAX_LIMIT
    const known = items.filter(({ kind }) => hasText(`activity.${kind}`))
    showRows(this.#list, known.map((each) => this.#row(each)), this.#heading)
  }

  #row({ kind, date, address, userAgent }: Event): HTMLElement {
    const row = cloneTemplate('template[data-activity-row]')
    find('[data-name]', HTMLElement, row).textContent = text(`activity.${kind}`)
    find('[data-moment]', HTMLElement, row).append(timeElement(date))
    find('[data-agent-part]', HTMLElement, row).hidden = userAgent === ''
    find('[data-agent]', HTMLElement, row).textContent = agentName(userAgent)
    find('[data-address-part]', HTMLElement, row).hidden = address === ''
    find('[data-address]', HTMLElement, row).textContent = address
    return row
  }
}
