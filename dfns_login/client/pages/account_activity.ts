// What happened to the account, the newest first.

import { showRows, type AccountPage } from './account_page.js'
import { agentName } from './agents.js'
import { copyOf, find } from './dom.js'
import { timeElement } from './moments.js'
import { api } from './page_data.js'
import { hasText, text } from './texts.js'

interface Event {
  kind: string
  date: string
  address: string
  userAgent: string
}

const FEW = 10
const MANY = 100

export class Activity {
  readonly #heading = find('#activity-heading', HTMLElement)
  readonly #list = find('[data-activity]', HTMLElement)
  readonly #more = find('[data-more-activity]', HTMLButtonElement)
  #limit = FEW

  constructor(account: AccountPage) {
    this.#more.addEventListener('click', () => {
      this.#limit = MANY
      this.#heading.focus()
      void account.desk.work('loading', () => this.#load(), account.told(account.desk))
    })
    account.add(() => this.#load())
  }

  async #load(): Promise<void> {
    const { items } = await api.call<{ items: Event[] }>('GET', `auth/activity?limit=${this.#limit}`)
    this.#more.hidden = items.length < this.#limit || this.#limit === MANY
    const told = items.filter(({ kind }) => hasText(`activity.${kind}`))
    showRows(this.#list, told.map((each) => this.#row(each)), this.#heading)
  }

  #row({ kind, date, address, userAgent }: Event): HTMLElement {
    const row = copyOf('template[data-activity-row]')
    find('[data-name]', HTMLElement, row).textContent = text(`activity.${kind}`)
    find('[data-moment]', HTMLElement, row).append(timeElement(date))
    find('[data-agent-part]', HTMLElement, row).hidden = userAgent === ''
    find('[data-agent]', HTMLElement, row).textContent = agentName(userAgent)
    find('[data-address-part]', HTMLElement, row).hidden = address === ''
    find('[data-address]', HTMLElement, row).textContent = address
    return row
  }
}
