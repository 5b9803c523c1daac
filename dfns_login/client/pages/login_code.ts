// The code of the sign-in page: who it was sent to and when it expires.

import type { BusyGuard } from './busy_guard.js'
import { Countdown, showIn } from './clocks.js'
import { CodeField } from './code_field.js'
import { CodeSender, isSamePerson, type Person } from './code_sender.js'
import { findAll, findOptional } from './dom.js'
import { isRefused } from './error_messages.js'
import { memory, remember, type SentCode } from './memory.js'
import { page } from './page_data.js'

const RENEWAL_MARGIN = 2 * 60 * 1000 // the server resends the same code while it is valid longer than this

export class LoginCode {
  readonly field = new CodeField()
  readonly #timer = findOptional('[data-code-timer]', HTMLElement)
  readonly #haveCode = findOptional('[data-have-code]', HTMLElement)
  readonly #sender: CodeSender
  readonly #time: Countdown
  #sent: SentCode | undefined = memory.sent

  /** `expired`: called when the code expires. `enter`: called if the person already has a code. */
  constructor(guard: BusyGuard, expired: () => void, enter: () => void) {
    this.#sender = new CodeSender('POST', 'auth/login/code', guard)
    this.#time = new Countdown(showIn(findAll('[data-code-timer] [data-clock]', HTMLElement)), () => {
      this.#showTimer(false)
      expired()
    })
    this.#haveCode?.addEventListener('click', () => {
      enter()
    })
  }

  /** Note that this person has a code whose expiry is unknown. */
  assume(person: Person): void {
    this.#set({ ...person })
  }

  /** Go on with the code that was sent before the page was loaded again. */
  resume(): void {
    if (this.#sent) this.#set(this.#sent)
  }

  get wasSent(): boolean {
    return this.#sent !== undefined
  }

  /** Whether an unexpired code was sent to this person. */
  isValidFor(person: Person): boolean {
    return isSamePerson(this.#sent, person) && (this.#sent?.until ?? 0) > Date.now()
  }

  /** Request a code. `handled`: see `BusyGuard.run`. Returns whether the server accepted the request. */
  async send(person: Person, handled: (error: unknown) => boolean): Promise<boolean> {
    const sent = await this.#sender.send(person, (error) => {
      if (this.#haveCode) this.#haveCode.hidden = !isRefused(error, 'too_many_requests')
      return handled(error)
    })
    if (!sent) return false
    const earlier = this.#sent && isSamePerson(this.#sent, person) ? this.#sent : undefined
    if (!earlier) this.field.clear() // it belongs to another account
    const now = Date.now()
    const until = earlier?.until ?? 0
    this.#set({ ...person, until: until - now > RENEWAL_MARGIN ? until : now + page.codeLifetime })
    this.field.clearError()
    return true
  }

  /** Forget the code after it was accepted. */
  clear(): void {
    this.field.clear()
    this.#set(undefined)
  }

  #set(sent: SentCode | undefined): void {
    this.#sent = sent
    remember({ sent })
    this.#time.stop()
    this.#showTimer(sent?.until !== undefined)
    if (sent?.until !== undefined) this.#time.start(sent.until)
  }

  #showTimer(shown: boolean): void {
    if (this.#timer) this.#timer.hidden = !shown
  }
}
