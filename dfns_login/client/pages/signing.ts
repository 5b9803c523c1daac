// Confirming a change: by the password, which is asked for once, or by a passkey where the session has no key.

import type { SignedFactors } from '../api.js'
import { assertion, NoEncryptedKeyError, PasswordProtectedKeySigner } from '../signer.js'
import { getPasskey, passkeysAreThere } from '../passkey.js'
import type { AllowedEncryptedKey, Fido2Assertion, PasswordProtectedKeyAssertion, SigningChallenge } from '../wire.js'
import { CancelledError, Dialog } from './dialogs.js'
import { find } from './dom.js'
import { Field } from './fields.js'
import { api, page } from './page_data.js'
import { text } from './texts.js'

type Factor = PasswordProtectedKeyAssertion | Fido2Assertion

/** The person chose the passkey instead. */
class PasskeyInsteadError extends Error {
  override name = 'PasskeyInsteadError'
}

export class Confirmation {
  readonly #dialog = new Dialog('confirm', async () => this.#submit())
  readonly #password = new Field('confirm-password')
  readonly #signer = new PasswordProtectedKeySigner({
    password: (attempt) => this.#ask(attempt),
    attempts: Number.POSITIVE_INFINITY,
  })
  #answer: { give(password: string): void; refuse(error: Error): void } | undefined
  #tried: () => void = () => undefined
  #byPasskey = false

  constructor() {
    find('[data-use-passkey]', HTMLButtonElement, this.#dialog.root).addEventListener('click', () => {
      this.#byPasskey = true
      this.#answer?.refuse(new PasskeyInsteadError())
    })
  }

  /** Answer the challenge of a user action. Throws CancelledError, and what passkeys and vaults throw. */
  readonly sign = async (challenge: SigningChallenge): Promise<SignedFactors> => {
    const firstFactor = await this.#first(challenge)
    return this.withSecond(challenge, firstFactor)
  }

  /** The same, for a key that is in hand. */
  async signWith(key: CryptoKey, credId: string, challenge: SigningChallenge): Promise<SignedFactors> {
    return this.withSecond(challenge, await assertion('PasswordProtectedKey', key, credId, challenge.challenge))
  }

  /** With the second factor, where the organization wants one. */
  async withSecond(challenge: SigningChallenge, firstFactor: Factor): Promise<SignedFactors> {
    const wanted = challenge.supportedCredentialKinds.some(
      (each) => each.kind === firstFactor.kind && each.requiresSecondFactor,
    )
    return wanted ? { firstFactor, secondFactor: await getPasskey(challenge) } : { firstFactor }
  }

  /** Ask for the password now, if it is one that will be asked for: before what cannot be taken back. */
  async prepare(): Promise<void> {
    const challenge = await this.#anyChallenge()
    if (this.#keys(challenge).length === 0 || this.#byPasskey) return
    try {
      await this.#withPassword(challenge)
    } catch (error) {
      if (!(error instanceof PasskeyInsteadError)) throw error
    }
  }

  /** The encrypted keys that this session is given; none where it was opened without a code. */
  async encryptedKeys(): Promise<readonly AllowedEncryptedKey[]> {
    return this.#keys(await this.#anyChallenge())
  }

  /** Forget the opened key. */
  lock(): void {
    this.#signer.lock()
  }

  #keys(challenge: SigningChallenge): readonly AllowedEncryptedKey[] {
    return challenge.allowCredentials.passwordProtectedKey ?? []
  }

  /** A challenge that confirms nothing. To open one costs nothing. */
  #anyChallenge(): Promise<SigningChallenge> {
    return api.call<SigningChallenge>('POST', 'auth/action/init', {
      userActionPayload: '{}',
      userActionHttpMethod: 'PUT',
      userActionHttpPath: `${page.base}auth/credentials/key`,
    })
  }

  async #first(challenge: SigningChallenge): Promise<Factor> {
    const hasKey = this.#keys(challenge).length > 0
    if (!hasKey && !this.#hasPasskey(challenge)) throw new NoEncryptedKeyError('Neither a key nor a passkey.')
    if (hasKey && !this.#byPasskey) {
      try {
        return await this.#withPassword(challenge)
      } catch (error) {
        if (!(error instanceof PasskeyInsteadError)) throw error
      }
    }
    this.#byPasskey = false // to be chosen again, should it fail
    const factor = await getPasskey(challenge)
    this.#byPasskey = true
    return factor
  }

  #hasPasskey(challenge: SigningChallenge): boolean {
    return passkeysAreThere() && challenge.allowCredentials.webauthn.length > 0
  }

  async #withPassword(challenge: SigningChallenge): Promise<PasswordProtectedKeyAssertion> {
    find('[data-passkey-instead]', HTMLElement, this.#dialog.root).hidden = !this.#hasPasskey(challenge)
    try {
      return await this.#signer.sign(challenge)
    } finally {
      this.#tried()
      this.#password.input.value = ''
      this.#dialog.close()
    }
  }

  #ask(attempt: number): Promise<string> {
    this.#tried()
    return new Promise((give, refuse) => {
      this.#answer = { give, refuse }
      if (attempt === 1) this.#dialog.open(() => refuse(new CancelledError()))
      else this.#password.refuse(text('wrong_password'))
    })
  }

  async #submit(): Promise<void> {
    const password = this.#password.value
    if (password === '') return this.#password.refuse(text('missing.confirm-password'))
    await this.#dialog.desk.work(
      'key.opening',
      () =>
        new Promise((tried) => {
          this.#tried = tried
          this.#answer?.give(password)
        }),
    )
  }
}
