// New credentials, where a code has let somebody in: a password, by wish a passkey, and a recovery kit.

import { newKit, recoveryCredential, type Kit } from '../kit.js'
import { createPasskey, passkeysAreThere } from '../passkey.js'
import { PasswordProtectedKeyStore } from '../signer.js'
import { standardVault } from '../vault.js'
import { Refusal } from '../api.js'
import type { CreationChallenge, Fido2Attestation, PasswordProtectedKeyAttestation } from '../wire.js'
import { agentName } from './agents.js'
import type { Desk } from './busy.js'
import { Countdown, shownIn } from './clocks.js'
import type { Person } from './code_mailing.js'
import { find, findAll, seek } from './dom.js'
import { letPasswordsBeShown } from './fields.js'
import { KitView } from './kit_view.js'
import { NewPassword } from './new_password.js'
import { addressFor, page } from './page_data.js'
import { isRefused } from './refusals.js'
import { text } from './texts.js'

export type EnrolmentStep = 'password' | 'passkey' | 'expired' | 'kit'

/** What the code has opened. */
export interface EnrolmentChallenge extends CreationChallenge {
  temporaryAuthenticationToken: string
  supportedCredentialKinds: { firstFactor: string[]; secondFactor: string[] }
}

export interface NewCredentials {
  firstFactorCredential: PasswordProtectedKeyAttestation & { credentialName: string }
  secondFactorCredential?: Fido2Attestation & { credentialName: string }
  recoveryCredential: Awaited<ReturnType<typeof recoveryCredential>> & { credentialName: string }
}

/** send: hand the new credentials to the server, with the temporary token. Throws as `Api.call` does. */
export type Send = (made: NewCredentials, temporaryToken: string) => Promise<void>

interface Ways {
  go(name: EnrolmentStep): void
}

interface Opened extends Person {
  challenge: EnrolmentChallenge
}

interface MadeKey {
  password: string
  credential: PasswordProtectedKeyAttestation
}

export class Enrolment {
  readonly #desk: Desk
  readonly #steps: Ways
  readonly #send: Send
  readonly #vault = standardVault()
  readonly #password: NewPassword
  readonly #kitView: KitView
  readonly #time: Countdown
  readonly #withoutPasskey = find('[data-without-passkey]', HTMLElement)
  #opened: Opened | undefined
  #key: MadeKey | undefined
  #kit: Kit | undefined
  #passkey: Fido2Attestation | undefined
  #done = false

  constructor(desk: Desk, steps: Ways, send: Send) {
    this.#desk = desk
    this.#steps = steps
    this.#send = send
    this.#kitView = new KitView(desk.messages)
    this.#password = new NewPassword(() => (this.#opened ? [this.#opened.username, location.hostname] : []))
    this.#time = new Countdown(shownIn(findAll('[data-time-left] [data-clock]', HTMLElement)), () => this.#expire())
    letPasswordsBeShown()
    const skip = seek('[data-no-passkey]', HTMLButtonElement)
    skip?.addEventListener('click', () => void this.#finish())
  }

  /** Where the browser's way back may lead; null where it is up to the page. */
  where(wanted: string | undefined): EnrolmentStep | null {
    if (this.#done) return 'kit'
    return this.#opened && wanted === 'passkey' ? 'passkey' : this.#opened ? 'password' : null
  }

  /** Go on from the code. */
  begin(person: Person, challenge: EnrolmentChallenge): void {
    this.#opened = { ...person, challenge }
    this.#key = this.#kit = this.#passkey = undefined // they answer one challenge
    this.#time.start(Date.now() + page.challengeLifetime)
    for (const line of findAll('[data-time-left]', HTMLElement)) line.hidden = false
    this.#withoutPasskey.hidden = false
    this.#steps.go('password')
  }

  /** What the form's button does in this step. */
  async submit(step: 'password' | 'passkey' | 'kit'): Promise<void> {
    if (step === 'password') await this.#choosePassword()
    else if (step === 'passkey') await this.#addPasskey()
    else this.#leave()
  }

  async #choosePassword(): Promise<void> {
    let chosen: string | null = null
    await this.#desk.work('password.checking', async () => {
      chosen = await this.#password.ask()
    })
    if (chosen === null || !this.#opened) return
    const offered = this.#opened.challenge.supportedCredentialKinds.secondFactor.includes('Fido2')
    if (offered && passkeysAreThere() && !this.#passkey) this.#steps.go('passkey')
    else await this.#finish()
  }

  async #addPasskey(): Promise<void> {
    const { challenge } = this.#opened ?? {}
    if (!challenge) return this.#expire()
    const made = await this.#desk.work('passkey.waiting', async () => {
      this.#passkey ??= await createPasskey(challenge)
    })
    if (made) await this.#finish()
  }

  async #finish(): Promise<void> {
    const opened = this.#opened
    if (!opened) return this.#expire()
    await this.#desk.work(
      'key.making',
      async () => {
        const made = await this.#make(opened.challenge)
        this.#desk.messages.say('registering')
        await this.#send(made, opened.challenge.temporaryAuthenticationToken)
        this.#done = true
      },
      (error) => this.#tell(error),
    )
    if (this.#done) this.#showKit(opened)
  }

  /** What was made already is not made again, where only the sending failed. */
  async #make(challenge: EnrolmentChallenge): Promise<NewCredentials> {
    const password = this.#password.value
    if (this.#key?.password !== password) {
      const store = new PasswordProtectedKeyStore({ password: () => password, vault: this.#vault })
      this.#key = { password, credential: await store.create(challenge) }
    }
    this.#desk.messages.say('kit.making')
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

  #tell(error: unknown): boolean {
    if (isRefused(error, 'not_authorized')) {
      this.#expire()
      return true
    }
    if (!(error instanceof Refusal) || error.details['secondFactorCredential'] === undefined) return false
    if (passkeysAreThere()) {
      this.#withoutPasskey.hidden = true
      this.#steps.go('passkey')
    }
    this.#desk.messages.warn(text(passkeysAreThere() ? 'passkey.needed' : 'passkey.needed_elsewhere'))
    return true
  }

  #expire(): void {
    if (this.#done) return
    this.#opened = undefined
    for (const line of findAll('[data-time-left]', HTMLElement)) line.hidden = true
    this.#steps.go('expired')
  }

  #showKit(person: Person): void {
    this.#time.stop()
    for (const line of findAll('[data-time-left]', HTMLElement)) line.hidden = true
    this.#password.clear()
    for (const links of findAll('[data-elsewhere]', HTMLElement)) links.hidden = true
    if (this.#kit) this.#kitView.show(this.#kit, person)
    this.#steps.go('kit')
  }

  #leave(): void {
    const { organization, username } = this.#opened ?? { organization: '', username: '' }
    if (!this.#kitView.isKept()) return
    this.#kitView.clear()
    this.#desk.leave('leading_on', addressFor(page.signInUrl, organization, username))
  }
}
