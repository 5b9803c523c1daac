// What a session signs with: the key that the password decrypts, or a passkey.

import type { Abortable, SignedFactors } from './api.js'
import { NoEncryptedKeyError } from './errors.js'
import { createPasskey, getPasskey } from './passkey.js'
import { PasswordProtectedKeySigner } from './signer.js'
import type { Vault } from './vault.js'
import type {
  CreationChallenge,
  Fido2Assertion,
  Fido2Attestation,
  PasswordProtectedKeyAssertion,
  PasswordProtectedKeyAttestation,
  SigningChallenge,
} from './wire.js'

export class Factors {
  readonly #signer: PasswordProtectedKeySigner
  #password = ''
  #turn = new AbortController()

  constructor(vault: Vault | undefined) {
    this.#signer = new PasswordProtectedKeySigner({ password: () => this.#password, vault })
  }

  /** Create a key and encrypt it with the password. */
  createKey(challenge: CreationChallenge, password: string): Promise<PasswordProtectedKeyAttestation> {
    return this.#withPassword(password, () => this.#signer.create(challenge))
  }

  /** Sign with the key that the password decrypts, and with a passkey if the organization requires both. */
  signWithPassword(challenge: SigningChallenge, password: string, options: Abortable): Promise<SignedFactors> {
    return this.#withPassword(password, () => this.sign(challenge, options))
  }

  /** Sign with the decrypted key; with a passkey if there is none, or if the organization requires both. */
  async sign(challenge: SigningChallenge, options: Abortable): Promise<SignedFactors> {
    const firstFactor = await this.#first(challenge, options)
    const takesSecond = challenge.supportedCredentialKinds.some(
      ({ kind, requiresSecondFactor }) => kind === firstFactor.kind && requiresSecondFactor,
    )
    return takesSecond ? { firstFactor, secondFactor: await this.signWithPasskey(challenge, options) } : { firstFactor }
  }

  async signWithPasskey(challenge: SigningChallenge, { signal }: Abortable): Promise<Fido2Assertion> {
    return getPasskey(challenge, { signal: this.takeTurn(signal) })
  }

  async createPasskey(challenge: CreationChallenge, { signal }: Abortable): Promise<Fido2Attestation> {
    return createPasskey(challenge, { signal: this.takeTurn(signal) })
  }

  /**
   * End an earlier request for a passkey, such as an offer in the autofill: browsers refuse another one meanwhile.
   * Returns a signal for this one, which also follows the given one.
   */
  takeTurn(signal?: AbortSignal): AbortSignal {
    this.#turn.abort()
    const turn = new AbortController()
    if (signal?.aborted) turn.abort(signal.reason)
    signal?.addEventListener('abort', () => turn.abort(signal.reason), { once: true, signal: turn.signal })
    this.#turn = turn
    return turn.signal
  }

  /** Forget the decrypted key, and cancel work in progress. */
  lock(): void {
    this.#signer.lock()
  }

  async #withPassword<Result>(password: string, act: () => Promise<Result>): Promise<Result> {
    this.#password = password
    try {
      return await act()
    } finally {
      this.#password = ''
    }
  }

  async #first(
    challenge: SigningChallenge,
    options: Abortable,
  ): Promise<PasswordProtectedKeyAssertion | Fido2Assertion> {
    try {
      return await this.#signer.sign(challenge)
    } catch (error) {
      // a session that a passkey opened gets no encrypted keys
      if (!(error instanceof NoEncryptedKeyError) || challenge.allowCredentials.webauthn.length === 0) throw error
      return this.signWithPasskey(challenge, options)
    }
  }
}
