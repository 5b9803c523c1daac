// What the parts of the account page share: who it is, how changes are confirmed, and what happens when nobody is in.

import { NoEncryptedKeyError } from '../signer.js'
import { Desk } from './busy.js'
import type { Person } from './code_mailing.js'
import { CancelledError, Dialog } from './dialogs.js'
import { find } from './dom.js'
import { Messages } from './messages.js'
import { addressFor, api, page } from './page_data.js'
import { isRefused, tell } from './refusals.js'
import { Confirmation } from './signing.js'

const root = find('[data-account]', HTMLElement)

export class AccountPage {
  readonly person: Person = { organization: page.organization, username: root.dataset['username'] ?? '' }
  readonly desk = new Desk(root, new Messages(root))
  readonly confirmation = new Confirmation()
  readonly #again = new Dialog('again', () => this.signOut('password'))
  readonly #parts: (() => Promise<void>)[] = []

  /** load: shows a part of the page anew. */
  add(load: () => Promise<void>): void {
    this.#parts.push(load)
  }

  /** Show everything anew. Throws as `Api.call` does. */
  async refresh(): Promise<void> {
    await Promise.all(this.#parts.map((load) => load()))
  }

  /** Make a change, say that it is made, and show what has become of everything. */
  async change(done: string, task: () => Promise<unknown>, desk = this.desk): Promise<boolean> {
    const made = await desk.work('asking', async () => void (await task()), this.told(desk))
    if (made) await this.show(done)
    return made
  }

  /** Show everything anew, and then say this. */
  async show(done?: string): Promise<void> {
    const shown = await this.desk.work('loading', () => this.refresh(), this.told(this.desk))
    if (shown) this.desk.messages.sayForNow(done)
  }

  /** What a desk of this page does not tell as others do. */
  told(desk: Desk): (error: unknown) => boolean {
    return (error) => {
      if (error instanceof CancelledError) return true
      if (error instanceof NoEncryptedKeyError) this.#again.open()
      else if (isRefused(error, 'not_authorized')) void this.#tellUnauthorized(error, desk)
      else return false
      return true
    }
  }

  /** Sign in with the password first, where this session has no key. */
  askToSignInAgain(): void {
    this.#again.open()
  }

  /** next: `password` leads back here after signing in, which the person wants for the password's sake. */
  async signOut(next: 'password' | 'home' = 'home'): Promise<void> {
    const desk = next === 'home' ? this.desk : this.#again.desk
    this.confirmation.lock()
    await desk.work(
      'signing_out',
      async () => {
        await api.call('PUT', 'auth/logout', {})
        this.leave(desk, next === 'password' ? location.pathname : '')
      },
      (error) => {
        if (!isRefused(error, 'not_authorized')) return false
        this.leave(desk, '') // it had ended already
        return true
      },
    )
  }

  /** Go to the sign-in page, with the name filled in. next: where signing in leads; here, if nothing is said. */
  leave(desk = this.desk, next = location.pathname): void {
    const { organization, username } = this.person
    this.confirmation.lock()
    desk.leave('leading_on', addressFor(page.signInUrl, organization, username, next))
  }

  // A proof that fails and a session that is over answer alike.
  async #tellUnauthorized(error: unknown, desk: Desk): Promise<void> {
    try {
      await api.call('GET', 'auth/sessions')
      tell(error, desk.messages)
    } catch (failure) {
      if (isRefused(failure, 'not_authorized')) this.leave()
      else tell(failure, desk.messages)
    }
  }
}

/** Put these rows into the list. The focus stays where it was, as far as that is still there. */
export function showRows(list: HTMLElement, rows: readonly HTMLElement[], heading: HTMLElement | null): void {
  const focused = document.activeElement
  const held = focused instanceof HTMLElement && list.contains(focused)
  const key = held ? [focused.closest<HTMLElement>('[data-row]')?.dataset['row'], focused.dataset['do']] : []
  list.replaceChildren(...rows)
  if (!held) return
  const row = rows.find((each) => each.dataset['row'] === key[0])
  const button = row?.querySelector<HTMLElement>(`[data-do="${key[1] ?? ''}"]:not([hidden])`)
  ;(button ?? heading)?.focus()
}
