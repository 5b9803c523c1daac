// Sign the challenge of a login: with the password, a passkey, or both.

import { getPasskey } from '../passkey.js'
import type { Fido2Assertion, PasswordProtectedKeyAssertion, SigningChallenge } from '../wire.js'
import type { BusyGuard } from './busy_guard.js'
import { Countdown, showAtTheEnd } from './clocks.js'
import type { Person } from './code_sender.js'
import { ownAddress } from './destination.js'
import { findAll } from './dom.js'
import { isNamed, isRefused } from './error_messages.js'
import { Field } from './fields.js'
import type { LoginKeys } from './login_keys.js'
import { completeLogin, type Factors, hasPassword, needsSecond } from './login_challenge.js'
import { forgetAll } from './memory.js'
import { api, page } from './page_data.js'
import { text } from './texts.js'

declare const LOGIN_KEYS: string // the script of login_keys.ts, which the build names

/** A challenge that an accepted code opened. */
export interface OpenedLogin extends Person {
  challenge: SigningChallenge
}

export class LoginSigning {
  readonly #guard: BusyGuard
  readonly #go: (step: 'username' | 'expired' | 'second') => void
  readonly #password = new Field('password')
  readonly #time: Countdown
  #keys: Promise<LoginKeys> | undefined
  #loads = 0
  #opened: OpenedLogin | undefined
  #keyFactor: PasswordProtectedKeyAssertion | undefined
  #signedIn = false

  /** `go`: shows a step of the page. */
  constructor(guard: BusyGuard, go: (step: 'username' | 'expired' | 'second') => void) {
    this.#guard = guard
    this.#go = go
    this.#time = new Countdown(showAtTheEnd(findAll('[data-time-left]', HTMLElement)), () => this.#expire())
  }

  get opened(): OpenedLogin | undefined {
    return this.#opened
  }

  get signedIn(): boolean {
    return this.#signedIn
  }

  open(opened: OpenedLogin): void {
    this.#opened = opened
    this.#time.start(Date.now() + page.challengeLifetime)
    if (!hasPassword(opened.challenge)) return
    void this.load().then(
      (keys) => keys.prepare(),
      () => undefined, // the password's step reports it
    )
  }

  /** Load what signs with the password. After a failure, the next call tries again. */
  async load(): Promise<LoginKeys> {
    this.#keys ??= this.#import()
    try {
      return await this.#keys
    } catch (error) {
      this.#keys = undefined
      throw error
    }
  }

  async #import(): Promise<LoginKeys> {
    this.#loads += 1
    const script = this.#loads > 1 ? `${LOGIN_KEYS}?${this.#loads}` : LOGIN_KEYS // browsers remember for each URL that it failed
    const { loginKeys } = (await import(script)) as typeof import('./login_keys.js')
    return loginKeys(page.envelopeWorkerUrl, () => this.#password.value)
  }

  forget(): void {
    this.#opened = this.#keyFactor = undefined
    this.#time.stop()
    this.#lock()
  }

  async withPassword(): Promise<void> {
    if (this.#password.value === '') return this.#password.showError(text('missing.password'))
    const { challenge } = this.#opened ?? {}
    if (!challenge) return this.#expire()
    const done = await this.#guard.run(
      'key.unlocking',
      async () => {
        const keys = await this.load()
        const factor = await keys.sign(challenge)
        if (needsSecond(challenge, 'PasswordProtectedKey')) this.#keyFactor = factor
        else await this.#complete(challenge, { firstFactor: factor })
      },
      (error) => {
        if (!isNamed(error, 'WrongPasswordError')) return this.#handle(error)
        this.#password.showError(text('wrong_password'))
        return true
      },
    )
    if (!done || this.#signedIn) return
    this.#go('second')
    await this.withSecondFactor()
  }

  async withSecondFactor(): Promise<void> {
    const { challenge } = this.#opened ?? {}
    const firstFactor = this.#keyFactor
    if (!challenge || !firstFactor) return this.#expire()
    await this.#guard.run(
      'passkey.waiting',
      async () => this.#complete(challenge, { firstFactor, secondFactor: await getPasskey(challenge) }),
      (error) => this.#handle(error),
    )
  }

  /** `organization`: for the challenge, if no code has opened one. */
  async withPasskey(organization: string): Promise<void> {
    const body = { orgId: organization }
    await this.#guard.run(
      'passkey.waiting',
      async () => {
        const opened = this.#opened?.challenge
        const challenge = opened ?? (await api.call<SigningChallenge>('POST', 'auth/login/init', body))
        if (needsSecond(challenge, 'Fido2')) this.#guard.messages.showError(text('passkey.password_required'))
        else await this.#complete(challenge, { firstFactor: await getPasskey(challenge) })
      },
      (error) => {
        if (!isRefused(error, 'not_authorized')) return this.#handle(error)
        this.#guard.messages.showError(text('passkey.unknown'))
        return true
      },
    )
  }

  /** The person chose a passkey in the email field. Returns whether the challenge had expired. */
  async withAutofilled(challenge: SigningChallenge, firstFactor: Fido2Assertion): Promise<boolean> {
    let expired = false
    await this.#guard.run(
      'signing_in',
      () => this.#complete(challenge, { firstFactor }),
      (error) => {
        expired = isRefused(error, 'invalid_challenge')
        if (!expired && !isRefused(error, 'not_authorized')) return false
        this.#guard.messages.showError(text(expired ? 'passkey.expired' : 'passkey.unknown'))
        return true
      },
    )
    return expired
  }

  async #complete(challenge: SigningChallenge, factors: Factors): Promise<void> {
    this.#guard.messages.showStatus('signing_in')
    const next = await completeLogin(challenge, factors)
    this.#signedIn = true
    this.#lock()
    forgetAll()
    this.#guard.finish('signed_in', ownAddress(next, page.accountUrl))
  }

  #lock(): void {
    void this.#keys?.then(
      (keys) => keys.lock(),
      () => undefined, // nothing was loaded
    )
  }

  #expire(): void {
    this.forget()
    this.#go('expired')
  }

  /** Handle an error that ends the challenge. Returns whether the person was informed. */
  #handle(error: unknown): boolean {
    if (isRefused(error, 'invalid_challenge')) {
      this.#expire()
      return true
    }
    if (isRefused(error, 'not_authorized')) {
      this.forget()
      this.#go('username')
    }
    return false
  }
}
