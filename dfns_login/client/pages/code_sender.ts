// Request an emailed code, observing the server's cooldown between requests.

import { type BusyGuard, setUnavailable } from './busy_guard.js'
import { clock, Countdown } from './clocks.js'
import { findAll } from './dom.js'
import { memory, remember } from './memory.js'
import { api, page } from './page_data.js'
import { text } from './texts.js'

/** An organization id and a username, as typed. */
export interface Person {
  organization: string
  username: string
}

export function isSamePerson(one: Person | undefined, other: Person | undefined): boolean {
  return one?.organization === other?.organization && one?.username === other?.username
}

export class CodeSender {
  readonly #method: 'POST' | 'PUT'
  readonly #path: string
  readonly #guard: BusyGuard
  readonly #cooldown: Countdown

  /** `method`, `path`: of the request that sends a code. */
  constructor(method: 'POST' | 'PUT', path: string, guard: BusyGuard) {
    this.#method = method
    this.#path = path
    this.#guard = guard
    this.#cooldown = new Countdown(
      (left) => this.#label(text('code.again_in', { time: clock(left) }), true),
      () => this.#label(text('code.again'), false),
    )
    if (memory.again !== undefined) this.#cooldown.start(memory.again)
  }

  /** Request a code. Returns whether the server accepted the request, which doesn't mean that the account exists. */
  async send({ organization, username }: Person, handled?: (error: unknown) => boolean): Promise<boolean> {
    const task = async (): Promise<void> => {
      await api.call(this.#method, this.#path, { username, orgId: organization })
    }
    if (!(await this.#guard.run('code.sending', task, handled))) return false
    const again = Date.now() + page.codeCooldown
    remember({ again })
    this.#cooldown.start(again)
    return true
  }

  #label(words: string, unavailable: boolean): void {
    for (const button of findAll('[data-send-again]', HTMLButtonElement)) {
      button.textContent = words
      setUnavailable(button, unavailable)
    }
  }
}
