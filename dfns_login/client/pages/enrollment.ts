// Create credentials after a code was accepted: a password, an optional passkey and a recovery kit.

import { Refusal } from '../api.js'
import { attestation, newCredentialId } from '../key_credential.js'
import { type Kit, newKit, recoveryCredential } from '../kit.js'
import { createPasskey, passkeysSupported } from '../passkey.js'
import type { CreationChallenge, Fido2Attestation, PasswordProtectedKeyAttestation, SigningChallenge } from '../wire.js'
import { agentName } from './agents.js'
import type { BusyGuard } from './busy_guard.js'
import { Countdown, showAtTheEnd } from './clocks.js'
import type { Person } from './code_sender.js'
import { ownAddress } from './destination.js'
import { find, findAll, findOptional } from './dom.js'
import { isRefused } from './error_messages.js'
import { enablePasswordToggles } from './fields.js'
import { type CreatedKey, FirstLogin } from './first_login.js'
import { KitView } from './kit_view.js'
import { forgetAll } from './memory.js'
import { NewPassword } from './new_password.js'
import { page, pageUrl, pageVault } from './page_data.js'
import { text } from './texts.js'

export type EnrollmentStep = 'password' | 'passkey' | 'expired' | 'resumed' | 'kit' | 'done'

/** The challenge that a code opens. */
export interface EnrollmentChallenge extends CreationChallenge {
  temporaryAuthenticationToken: string
  supportedCredentialKinds: { firstFactor: string[]; secondFactor: string[] }
}

export interface NewCredentials {
  firstFactorCredential: PasswordProtectedKeyAttestation & { credentialName: string }
  secondFactorCredential?: Fido2Attestation & { credentialName: string }
  recoveryCredential: Awaited<ReturnType<typeof recoveryCredential>> & { credentialName: string }
}

/** The answer. `loginChallenge`: the new key may sign it to sign in. */
export interface Enrolled {
  loginChallenge?: SigningChallenge
}

/** Send the new credentials to the server with the temporary token. Throws what `Api.call` throws. */
export type Send = (created: NewCredentials, temporaryToken: string) => Promise<Enrolled>

interface StepNavigator {
  go(name: EnrollmentStep): void
}

interface Opened extends Person {
  challenge: EnrollmentChallenge
}

export class Enrollment {
  readonly #guard: BusyGuard
  readonly #steps: StepNavigator
  readonly #send: Send
  readonly #person: () => Person
  readonly #vault = pageVault()
  readonly #password: NewPassword
  readonly #kitView: KitView
  readonly #login = new FirstLogin()
  readonly #time: Countdown
  readonly #timeLines = findAll('[data-time-left]', HTMLElement)
  readonly #withoutPasskey = find('[data-without-passkey]', HTMLElement)
  #opened: Opened | undefined
  #key: (CreatedKey & { password: string }) | undefined
  #kit: Kit | undefined
  #passkey: Fido2Attestation | undefined
  #done = false

  constructor(guard: BusyGuard, steps: StepNavigator, person: () => Person, send: Send) {
    this.#guard = guard
    this.#steps = steps
    this.#send = send
    this.#person = person
    this.#kitView = new KitView(guard.messages)
    this.#password = new NewPassword(() => (this.#opened ? [this.#opened.username, location.hostname] : []))
    this.#time = new Countdown(showAtTheEnd(this.#timeLines), () => this.#expire())
    enablePasswordToggles()
    const skip = findOptional('[data-no-passkey]', HTMLButtonElement)
    skip?.addEventListener('click', () => void this.#finish())
  }

  /**
   * The step to show when the browser navigates to the wanted one or loads it again; null if the page decides.
   * After a reload, the code is used up and the keys are gone; a kit that was shown can't be shown again.
   */
  stepFor(wanted: string | undefined): EnrollmentStep | null {
    if (this.#done) return 'kit'
    if (this.#opened) return wanted === 'passkey' ? 'passkey' : 'password'
    if (wanted === undefined || wanted === 'code') return null
    return wanted === 'kit' || wanted === 'done' ? 'done' : 'resumed'
  }

  /** Whether there is a step for a passkey. */
  get offersPasskey(): boolean {
    const { secondFactor } = this.#opened?.challenge.supportedCredentialKinds ?? { secondFactor: ['Fido2'] }
    return passkeysSupported() && secondFactor.includes('Fido2')
  }

  /** Start after the code was accepted. `until`: when the challenge expires, in milliseconds. */
  begin(person: Person, challenge: EnrollmentChallenge, until = Date.now() + page.challengeLifetime): void {
    this.#opened = { ...person, challenge }
    this.#key = this.#kit = this.#passkey = undefined // they belong to one challenge
    this.#time.start(until)
    this.#withoutPasskey.hidden = false
    this.#steps.go('password')
  }

  /** Submit the form in this step. */
  async submit(step: 'password' | 'passkey' | 'kit' | 'done'): Promise<void> {
    if (step === 'password') await this.#choosePassword()
    else if (step === 'passkey') await this.#addPasskey()
    else if (step === 'kit') await this.#leave()
    else this.#goOn()
  }

  async #choosePassword(): Promise<void> {
    let chosen: string | null = null
    await this.#guard.run('password.checking', async () => {
      chosen = await this.#password.validated()
    })
    if (chosen === null || !this.#opened) return
    if (this.offersPasskey && !this.#passkey) this.#steps.go('passkey')
    else await this.#finish()
  }

  async #addPasskey(): Promise<void> {
    const { challenge } = this.#opened ?? {}
    if (!challenge) return this.#expire()
    const created = await this.#guard.run('passkey.waiting', async () => {
      this.#passkey ??= await createPasskey(challenge)
    })
    if (created) await this.#finish()
  }

  async #finish(): Promise<void> {
    const opened = this.#opened
    if (!opened) return this.#expire()
    await this.#guard.run(
      'key.creating',
      async () => {
        const created = await this.#create(opened.challenge)
        this.#guard.messages.showStatus('saving')
        const { loginChallenge } = await this.#send(created, opened.challenge.temporaryAuthenticationToken)
        this.#done = true
        if (loginChallenge && this.#key) await this.#login.sign(loginChallenge, this.#key)
      },
      (error) => this.#handleError(error),
    )
    if (this.#done) this.#showKit(opened)
  }

  /** Create the credentials. If only sending them failed, reuse those that exist. */
  async #create(challenge: EnrollmentChallenge): Promise<NewCredentials> {
    const password = this.#password.value
    if (this.#key?.password !== password) {
      const { key, publicKey, envelope } = await this.#vault.create(password)
      const credentialInfo = await attestation(key, publicKey, challenge.challenge, newCredentialId())
      const credentialKind = 'PasswordProtectedKey'
      this.#key = { password, key, credential: { credentialKind, credentialInfo, encryptedPrivateKey: envelope } }
    }
    this.#guard.messages.showStatus('kit.creating')
    this.#kit ??= await newKit(this.#vault)
    const recovery = await recoveryCredential(this.#kit, challenge.challenge)
    return {
      firstFactorCredential: { ...this.#key.credential, credentialName: text('name.password') },
      ...(this.#passkey && {
        secondFactorCredential: { ...this.#passkey, credentialName: agentName(navigator.userAgent) },
      }),
      recoveryCredential: { ...recovery, credentialName: text('name.kit') },
    }
  }

  #handleError(error: unknown): boolean {
    if (isRefused(error, 'not_authorized')) {
      this.#expire()
      return true
    }
    if (!(error instanceof Refusal) || error.details['secondFactorCredential'] === undefined) return false
    if (passkeysSupported()) {
      this.#withoutPasskey.hidden = true
      this.#steps.go('passkey')
    }
    this.#guard.messages.showError(text(passkeysSupported() ? 'passkey.needed' : 'passkey.needed_elsewhere'))
    return true
  }

  #expire(): void {
    if (this.#done) return
    this.#opened = undefined
    for (const line of this.#timeLines) line.hidden = true
    this.#steps.go('expired')
  }

  #showKit(person: Person): void {
    this.#time.stop()
    for (const line of this.#timeLines) line.hidden = true
    this.#password.clear()
    if (this.#kit) this.#kitView.show(this.#kit, person)
    this.#steps.go('kit')
  }

  async #leave(): Promise<void> {
    if (!this.#kitView.isSaved()) return
    if (this.#login.needsPasskey) await this.#login.addPasskey(this.#guard)
    if (this.#login.needsPasskey) {
      for (const links of findAll('[data-elsewhere]', HTMLElement)) links.hidden = false
      return // declined: the sign-in page is a way on
    }
    this.#kitView.clear()
    this.#goOn()
  }

  #goOn(): void {
    const { organization, username } = this.#person()
    forgetAll()
    const signIn = pageUrl(page.signInUrl, organization, username)
    const { next } = this.#login
    this.#guard.finish('redirecting', next === undefined ? signIn : ownAddress(next, page.accountUrl))
  }
}
