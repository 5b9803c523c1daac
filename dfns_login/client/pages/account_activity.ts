// What happened to the account, newest first, day by day and page by page.

import { type AccountPage, showRows } from './account_page.js'
import { agentName } from './agents.js'
import { clockElement, dayName } from './dates.js'
import { cloneTemplate, find, findAll, isolate, type Part, showParts } from './dom.js'
import { api } from './page_data.js'
import { hasText, quoted, text, textWith } from './texts.js'

interface Act {
  kind: string
  date: string
  address: string
  userAgent: string
  includes: readonly string[]
  credential: { kind: string; name: string } | null
  byOperator: boolean
  sessions: number | null
  endedUserAgent: string
  purpose: string
  request: string
}

interface ActPage {
  items: Act[]
  nextPageToken?: string
}

const LIMIT = 10
const MAX_EMPTY_PAGES = 5

export class Activity {
  readonly #heading = find('#activity-heading', HTMLElement)
  readonly #list = find('[data-activity]', HTMLElement)
  readonly #empty = find('[data-activity-empty]', HTMLElement)
  readonly #more = find('[data-more-activity]', HTMLButtonElement)
  readonly #morePart = find('[data-more-part]', HTMLElement)
  readonly #categories = findAll('[data-activity-category]', HTMLButtonElement)
  #category = ''
  #token = ''

  constructor(account: AccountPage) {
    const run = (load: () => Promise<void>): void =>
      void account.guard.run('loading', load, account.errorHandler(account.guard))
    this.#more.addEventListener('click', () => run(() => this.#loadMore()))
    for (const button of this.#categories) {
      button.addEventListener('click', () => {
        this.#category = button.dataset['activityCategory'] ?? ''
        for (const each of this.#categories) each.setAttribute('aria-pressed', String(each === button))
        run(() => this.#load())
      })
    }
    account.addSection(() => this.#load())
  }

  async #load(): Promise<void> {
    this.#token = ''
    const acts = await this.#next()
    showRows(this.#list, [], this.#heading)
    this.#append(acts)
    this.#empty.hidden = acts.length > 0
  }

  /** Append the next page, and move the focus to it. */
  async #loadMore(): Promise<void> {
    const first = this.#append(await this.#next())
    if (!first) return this.#heading.focus()
    first.tabIndex = -1
    first.focus()
  }

  /** Append the acts, each day below its heading. Returns the first row. */
  #append(acts: readonly Act[]): HTMLElement | undefined {
    const rows = acts.map(row)
    for (const [index, { date }] of acts.entries()) {
      const day = dayName(new Date(date))
      const last = this.#list.lastElementChild
      const group = last instanceof HTMLElement && last.dataset['day'] === day ? last : this.#addDay(day)
      find('ol', HTMLElement, group).append(rows[index] ?? '')
    }
    return rows[0]
  }

  #addDay(day: string): HTMLElement {
    const group = cloneTemplate('template[data-activity-day]')
    group.dataset['day'] = day
    find('h3', HTMLElement, group).textContent = day
    find('ol', HTMLElement, group).setAttribute('aria-label', day)
    this.#list.append(group)
    return group
  }

  async #next(): Promise<readonly Act[]> {
    for (let pages = 0; ; pages += 1) {
      const query = new URLSearchParams({
        limit: String(LIMIT),
        ...(this.#category && { category: this.#category }),
        ...(this.#token && { paginationToken: this.#token }),
      })
      const { items, nextPageToken } = await api.call<ActPage>('GET', `auth/activity?${query.toString()}`)
      this.#token = nextPageToken ?? ''
      this.#morePart.hidden = this.#token === ''
      if (items.length > 0 || this.#token === '' || pages === MAX_EMPTY_PAGES) return items
    }
  }
}

function row(act: Act): HTMLElement {
  const element = cloneTemplate('template[data-activity-row]')
  find('[data-name]', HTMLElement, element).append(...title(act))
  const address = isolate(act.address)
  address.dir = 'ltr'
  const parts: (Part | false)[] = [
    [clockElement(act.date)],
    act.byOperator && [text('by_operator')],
    act.userAgent !== '' && act.userAgent !== act.endedUserAgent && [isolate(agentName(act.userAgent))],
    act.address !== '' && [address],
    act.includes.includes('account.unlocked') && [text('unlocked_too')],
  ]
  showParts(find('[data-about]', HTMLElement, element), parts.filter((part) => part !== false))
  return element
}

/** For example: Passkey “My laptop” added. */
function title({ kind, includes, credential, sessions, endedUserAgent, purpose, request }: Act): Part {
  const renewed = kind === 'credential.created' && includes.includes('credential.deactivated')
  const variants = [renewed && 'renewed', sessions !== null && 'several', endedUserAgent && 'one', credential?.kind, purpose]
  const names = variants.filter(Boolean).map((variant) => `activity.${kind}.${String(variant)}`)
  const name = [...names, `activity.${kind}`].find(hasText)
  if (name === undefined) return [kind]
  const named = quoted(credential?.name ?? '')
  const what = document.createElement('span')
  what.append(...textWith(`what.${credential?.kind ?? 'any'}`, { name: named.cloneNode(true) }))
  const device = isolate(agentName(endedUserAgent))
  return textWith(name, { what, name: named, device, request: isolate(request), count: isolate(String(sessions)) })
}
