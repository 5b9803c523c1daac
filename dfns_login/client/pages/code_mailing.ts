// Having a code mailed, and mailed again: not sooner than the server would.

import { putOff, type Desk } from './busy.js'
import { clock, Countdown } from './clocks.js'
import { findAll } from './dom.js'
import { api, page } from './page_data.js'
import { text } from './texts.js'

/** Somebody in an organization, as typed. */
export interface Person {
  organization: string
  username: string
}

export function isSame(one: Person | undefined, other: Person | undefined): boolean {
  return one?.organization === other?.organization && one?.username === other?.username
}

export class CodeMailing {
  readonly #method: 'POST' | 'PUT'
  readonly #path: string
  readonly #desk: Desk
  readonly #cooldown: Countdown

  /** method, path: of the request that has a code mailed. */
  constructor(method: 'POST' | 'PUT', path: string, desk: Desk) {
    this.#method = method
    this.#path = path
    this.#desk = desk
    this.#cooldown = new Countdown(
      (left) => this.#label(text('code.again_in', { time: clock(left) }), true),
      () => this.#label(text('code.again'), false),
    )
  }

  /** Have a code mailed. Returns whether the server took it: whether there is anybody, it does not say. */
  async send({ organization, username }: Person, told?: (error: unknown) => boolean): Promise<boolean> {
    const task = async (): Promise<void> => {
      await api.call(this.#method, this.#path, { username, orgId: organization })
    }
    if (!(await this.#desk.work('code.sending', task, told))) return false
    this.#cooldown.start(Date.now() + page.codeCooldown)
    return true
  }

  #label(words: string, off: boolean): void {
    for (const button of findAll('[data-send-again]', HTMLButtonElement)) {
      button.textContent = words
      putOff(button, off)
    }
  }
}
