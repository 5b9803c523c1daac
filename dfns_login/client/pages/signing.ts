// Confirm changes with the password, asked for once, or with a passkey if the session can't use the key.

import type { SignedFactors } from '../api.js'
import { NoEncryptedKeyError } from '../errors.js'
import { assertion } from '../key_credential.js'
import { getPasskey, passkeysSupported } from '../passkey.js'
import { PasswordProtectedKeySigner } from '../signer.js'
import type { AllowedEncryptedKey, Fido2Assertion, PasswordProtectedKeyAssertion, SigningChallenge } from '../wire.js'
import { CanceledError, Dialog } from './dialogs.js'
import { find, isolate } from './dom.js'
import { Field } from './fields.js'
import { api, page, pageVault } from './page_data.js'
import { text, textWith } from './texts.js'

type Factor = PasswordProtectedKeyAssertion | Fido2Assertion

/** What the person confirms: the name of a text `confirm.NAME`, and the name of what is changed. */
export interface Purpose {
  to: 'passkey' | 'kit' | 'rename' | 'deactivate' | 'activate'
  name?: string
}

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
    vault: pageVault(),
  })
  #answer: { resolve(password: string): void; reject(error: Error): void } | undefined
  #attemptDone: () => void = () => undefined
  #byPasskey = false
  #purpose: Purpose = { to: 'passkey' }

  constructor() {
    find('[data-use-passkey]', HTMLButtonElement, this.#dialog.root).addEventListener('click', () => {
      this.#byPasskey = true
      this.#answer?.reject(new PasskeyInsteadError())
    })
  }

  /** Signs the challenge of a user action. Throws CanceledError and what passkeys and vaults throw. */
  signer(purpose: Purpose): (challenge: SigningChallenge) => Promise<SignedFactors> {
    return async (challenge) => {
      this.#purpose = purpose
      const firstFactor = await this.#first(challenge)
      return this.addSecondFactor(challenge, firstFactor)
    }
  }

  /** Sign the challenge with this key. */
  async signWith(key: CryptoKey, credId: string, challenge: SigningChallenge): Promise<SignedFactors> {
    return this.addSecondFactor(challenge, await assertion('PasswordProtectedKey', key, credId, challenge.challenge))
  }

  /** Add a second factor, if the organization requires one. */
  async addSecondFactor(challenge: SigningChallenge, firstFactor: Factor): Promise<SignedFactors> {
    const required = challenge.supportedCredentialKinds.some(
      (each) => each.kind === firstFactor.kind && each.requiresSecondFactor,
    )
    return required ? { firstFactor, secondFactor: await getPasskey(challenge) } : { firstFactor }
  }

  /** Ask for the password now, if it is needed, so that a later step that can't be undone doesn't wait for it. */
  async prepare(purpose: Purpose): Promise<void> {
    this.#purpose = purpose
    const challenge = await this.#anyChallenge()
    if (this.#keys(challenge).length === 0 || this.#byPasskey) return
    try {
      await this.#withPassword(challenge)
    } catch (error) {
      if (!(error instanceof PasskeyInsteadError)) throw error
    }
  }

  /** The encrypted keys available to this session; empty if the person signed in without a code. */
  async encryptedKeys(): Promise<readonly AllowedEncryptedKey[]> {
    return this.#keys(await this.#anyChallenge())
  }

  /** Forget the decrypted key. */
  lock(): void {
    this.#signer.lock()
  }

  #keys(challenge: SigningChallenge): readonly AllowedEncryptedKey[] {
    return challenge.allowCredentials.passwordProtectedKey ?? []
  }

  /** Get a challenge only to see which credentials it allows. Nothing is signed. */
  #anyChallenge(): Promise<SigningChallenge> {
    return api.challenge<SigningChallenge>('auth/action/init', {
      userActionPayload: '{}',
      userActionHttpMethod: 'PUT',
      userActionHttpPath: `${page.base}auth/credentials/key`,
    })
  }

  async #first(challenge: SigningChallenge): Promise<Factor> {
    const hasKey = this.#keys(challenge).length > 0
    if (!hasKey && !this.#hasPasskey(challenge)) throw new NoEncryptedKeyError('No key and no passkey.')
    if (hasKey && !this.#byPasskey) {
      try {
        return await this.#withPassword(challenge)
      } catch (error) {
        if (!(error instanceof PasskeyInsteadError)) throw error
      }
    }
    this.#byPasskey = false // if the passkey fails, ask again which one to use
    const factor = await getPasskey(challenge)
    this.#byPasskey = true
    return factor
  }

  #hasPasskey(challenge: SigningChallenge): boolean {
    return passkeysSupported() && challenge.allowCredentials.webauthn.length > 0
  }

  async #withPassword(challenge: SigningChallenge): Promise<PasswordProtectedKeyAssertion> {
    find('[data-passkey-instead]', HTMLElement, this.#dialog.root).hidden = !this.#hasPasskey(challenge)
    try {
      return await this.#signer.sign(challenge)
    } finally {
      this.#attemptDone()
      this.#password.input.value = ''
      this.#dialog.close()
    }
  }

  #ask(attempt: number): Promise<string> {
    this.#attemptDone()
    return new Promise((resolve, reject) => {
      this.#answer = { resolve, reject }
      if (attempt === 1) this.#open(() => reject(new CanceledError()))
      else this.#password.showError(text('wrong_password'))
    })
  }

  #open(onCancel: () => void): void {
    const { to, name = '' } = this.#purpose
    const heading = find('#confirm-heading', HTMLElement, this.#dialog.root)
    heading.replaceChildren(...textWith(`confirm.${to}`, { name: isolate(name) }))
    this.#dialog.open(onCancel)
  }

  async #submit(): Promise<void> {
    const password = this.#password.value
    if (password === '') return this.#password.showError(text('missing.confirm-password'))
    await this.#dialog.guard.run(
      'key.unlocking',
      () =>
        new Promise((resolve) => {
          this.#attemptDone = resolve
          this.#answer?.resolve(password)
        }),
    )
  }
}
