// Shared by the sections of the account page: the person, how changes are confirmed, and what to do when signed out.

import { NoEncryptedKeyError } from '../errors.js'
import { BusyGuard } from './busy_guard.js'
import type { Person } from './code_sender.js'
import { CanceledError, Dialog } from './dialogs.js'
import { find, findAll } from './dom.js'
import { isRefused, reportError, reportUnhandled } from './error_messages.js'
import { Messages } from './messages.js'
import { api, page, pageUrl } from './page_data.js'
import { Confirmation } from './signing.js'
import { text } from './texts.js'

const root = find('[data-account]', HTMLElement)

export class AccountPage {
  readonly person: Person = { organization: page.organization, username: root.dataset['username'] ?? '' }
  readonly guard = new BusyGuard(root, new Messages(root))
  readonly confirmation = new Confirmation()
  readonly #signInAgain = new Dialog('again', () => this.signOut('password'))
  readonly #sections: (() => Promise<void>)[] = []
  #onDone: (done: string) => void = () => undefined

  constructor() {
    reportUnhandled(this.guard.messages)
  }

  /** `load`: loads and shows a section. */
  addSection(load: () => Promise<void>): void {
    this.#sections.push(load)
  }

  /** `listener`: called with the name of the message `done` after each change. */
  onDone(listener: (done: string) => void): void {
    this.#onDone = listener
  }

  /** Make a change, reload the page's sections and show the message `done`. */
  async change(done: string, task: () => Promise<unknown>, guard = this.guard): Promise<boolean> {
    const changed = await guard.run('working', async () => void (await task()), this.errorHandler(guard))
    if (changed) await this.reload(done)
    return changed
  }

  /** Reload all sections, then show the message `done`. */
  async reload(done?: string): Promise<void> {
    const load = async (): Promise<void> => void (await Promise.all(this.#sections.map((section) => section())))
    const loaded = await this.guard.run('loading', load, this.errorHandler(this.guard))
    if (loaded) this.guard.messages.showStatusBriefly(done)
    else for (const place of findAll('[data-loading]', HTMLElement)) place.textContent = text('not_loaded')
    if (done !== undefined) this.#onDone(done)
  }

  /** Error handling for a guard of this page. */
  errorHandler(guard: BusyGuard): (error: unknown) => boolean {
    return (error) => {
      if (error instanceof CanceledError) return true
      if (error instanceof NoEncryptedKeyError) this.#signInAgain.open()
      else if (isRefused(error, 'not_authorized')) void this.#handleUnauthorized(error, guard)
      else return false
      return true
    }
  }

  /** Ask the person to sign in with their password, if this session can't use the key. */
  askToSignInAgain(): void {
    this.#signInAgain.open()
  }

  /** `next`: `password` returns to this page after signing in with the password. */
  async signOut(next: 'password' | 'home' = 'home'): Promise<void> {
    const guard = next === 'home' ? this.guard : this.#signInAgain.guard
    this.confirmation.lock()
    await guard.run(
      'signing_out',
      async () => {
        await api.call('PUT', 'auth/logout', {})
        this.leave(guard, next === 'password' ? location.pathname : '')
      },
      (error) => {
        if (!isRefused(error, 'not_authorized')) return false
        this.leave(guard, '') // the session had already ended
        return true
      },
    )
  }

  /** Go to the sign-in page with the username filled in. `next`: path to open after signing in; default this page. */
  leave(guard = this.guard, next = location.pathname): void {
    const { organization, username } = this.person
    this.confirmation.lock()
    guard.leave('redirecting', pageUrl(page.signInUrl, organization, username, next))
  }

  // A failed proof and an ended session have the same response. Listing the sessions tells them apart.
  async #handleUnauthorized(error: unknown, guard: BusyGuard): Promise<void> {
    try {
      await api.call('GET', 'auth/sessions')
      reportError(error, guard.messages)
    } catch (failure) {
      if (isRefused(failure, 'not_authorized')) this.leave()
      else reportError(failure, guard.messages)
    }
  }
}

/** Replace the rows of a list. Keep the focus on the same button, or move it to the heading. */
export function showRows(list: HTMLElement, rows: readonly HTMLElement[], heading: HTMLElement | null): void {
  const focused = document.activeElement
  const hadFocus = focused instanceof HTMLElement && list.contains(focused)
  const key = hadFocus ? [focused.closest<HTMLElement>('[data-row]')?.dataset['row'], focused.dataset['do']] : []
  list.replaceChildren(...rows)
  if (!hadFocus) return
  const row = rows.find((each) => each.dataset['row'] === key[0])
  const button = row?.querySelector<HTMLElement>(`[data-do="${key[1] ?? ''}"]:not([hidden])`)
  ;(button ?? heading)?.focus()
}
