// The login code of the sign-in page: to whom it was mailed, and how long it counts.

import type { Desk } from './busy.js'
import { Countdown, shownIn } from './clocks.js'
import { CodeMailing, isSame, type Person } from './code_mailing.js'
import { findAll, seek } from './dom.js'
import { Field } from './fields.js'
import { page } from './page_data.js'
import { isRefused } from './refusals.js'

const RENEWAL_MARGIN = 2 * 60 * 1000 // a code with more time left than this is mailed again as it is

export class LoginCode {
  readonly field = new Field('code')
  readonly #timer = seek('[data-code-timer]', HTMLElement)
  readonly #haveCode = seek('[data-have-code]', HTMLElement)
  readonly #mailing: CodeMailing
  readonly #time: Countdown
  #mailed: (Person & { until: number }) | undefined

  /** expired: called when the code counts no more. enter: called if the person has one from elsewhere. */
  constructor(desk: Desk, expired: () => void, enter: () => void) {
    this.#mailing = new CodeMailing('POST', 'auth/login/code', desk)
    this.#time = new Countdown(shownIn(findAll('[data-code-timer] [data-clock]', HTMLElement)), () => {
      this.#showTimer(false)
      expired()
    })
    this.#haveCode?.addEventListener('click', () => {
      this.#showTimer(false) // nobody knows
      enter()
    })
  }

  get wasMailed(): boolean {
    return this.#mailed !== undefined
  }

  /** Whether this person has a code that counts, for all that is known. */
  countsFor(person: Person): boolean {
    return isSame(this.#mailed, person) && (this.#mailed?.until ?? 0) > Date.now()
  }

  /** Have a code mailed. told: as in `Desk.work`. Returns whether the server took it. */
  async mail(person: Person, told: (error: unknown) => boolean): Promise<boolean> {
    const sent = await this.#mailing.send(person, (error) => {
      if (this.#haveCode) this.#haveCode.hidden = !isRefused(error, 'too_many_requests')
      return told(error)
    })
    if (!sent) return false
    const again = this.#mailed && isSame(this.#mailed, person) ? this.#mailed : undefined
    if (!again) this.field.input.value = '' // another's
    const until = again && again.until - Date.now() > RENEWAL_MARGIN ? again.until : Date.now() + page.codeLifetime
    this.#mailed = { ...person, until }
    this.#showTimer(true)
    this.#time.start(until)
    this.field.accept()
    return true
  }

  /** The code was accepted, and so is spent. */
  spend(): void {
    this.field.input.value = ''
    this.#mailed = undefined
    this.#time.stop()
  }

  #showTimer(shown: boolean): void {
    if (this.#timer) this.#timer.hidden = !shown
  }
}
