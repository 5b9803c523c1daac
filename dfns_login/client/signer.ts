// The public module: a signer and a store for password-protected keys, for the official Dfns client and for any front end.

import { assertion, attestation, newCredentialId } from './key_credential.js'
import { DamagedEnvelopeError, VaultError, WrongPasswordError } from './errors.js'
import { standardVault, type Vault } from './vault.js'
import type {
  AllowedEncryptedKey,
  KeyChallenge,
  PasswordProtectedKeyAssertion,
  PasswordProtectedKeyAttestation,
} from './wire.js'

export { DamagedEnvelopeError, VaultError, WrongPasswordError } from './errors.js'
export { assertion, attestation, newCredentialId } from './key_credential.js'
export {
  englishKitText,
  kitFile,
  KitMistypedError,
  newKit,
  parseKit,
  recoveryCredential,
  signNewCredentials,
  type Kit,
  type KitKey,
  type KitText,
} from './kit.js'
export { createPasskey, getPasskey, passkeysAreThere, passkeysFillIn, type PasskeyOptions } from './passkey.js'
export { localVault, standardVault, workerVault, type NewKey, type ResealedKey, type Vault } from './vault.js'
export type * from './wire.js'

/** The challenge releases no encrypted key: it was asked for without a code, or the account has none. */
export class NoEncryptedKeyError extends Error {
  override name = 'NoEncryptedKeyError'
}

/**
 * password: asks for the password. attempt: 1, and one more after each wrong one.
 * attempts: how often it is asked before WrongPasswordError is thrown; 1 where it is not said. A wrong password costs
 * no request and no new code.
 * vault: where keys are made and opened; `standardVault()` where it is not said.
 */
export interface PasswordProtectedKeyOptions {
  password: (attempt: number) => string | Promise<string>
  attempts?: number
  vault?: Vault
}

interface OpenedKey {
  credId: string
  key: CryptoKey
}

/**
 * Makes and registers password-protected keys: `CredentialStore` of the official client.
 *
 * Attestation: the official types know no such kind where a store is asked for, though the API does. Name what they
 * ask for instead: `PasswordProtectedKeyStore<FirstFactorAttestation>`. It changes nothing but the types.
 */
export class PasswordProtectedKeyStore<Attestation = PasswordProtectedKeyAttestation> {
  readonly #options: PasswordProtectedKeyOptions
  readonly #vault: Vault

  constructor(options: PasswordProtectedKeyOptions) {
    this.#options = options
    this.#vault = options.vault ?? standardVault()
  }

  /**
   * Make a key, encrypt it under the password, and answer a registration challenge with it: of a registration, or for
   * one more credential. Throws TypeError for a challenge of a kind that is no key, VaultError, and what `password`
   * throws.
   */
  async create(challenge: { challenge: string } | { kind: string }): Promise<Attestation> {
    if (!('challenge' in challenge)) throw new TypeError('The challenge is not for a key.')
    const made = await this.#vault.create(await this.#options.password(1))
    const credentialInfo = await attestation(made.key, made.publicKey, challenge.challenge, newCredentialId())
    const credential: PasswordProtectedKeyAttestation = {
      credentialKind: 'PasswordProtectedKey',
      credentialInfo,
      encryptedPrivateKey: made.envelope,
    }
    return credential as Attestation
  }
}

/**
 * Signs login challenges and user actions with a password-protected key: `CredentialSigner` of the official client.
 *
 * The password is asked for once: the opened key, which cannot be exported, stays in memory until `lock()`.
 * Assertion, Attestation: as in `PasswordProtectedKeyStore`; `FirstFactorAssertion`, `FirstFactorAttestation`.
 */
export class PasswordProtectedKeySigner<
  Assertion = PasswordProtectedKeyAssertion,
  Attestation = PasswordProtectedKeyAttestation,
> extends PasswordProtectedKeyStore<Attestation> {
  readonly #options: PasswordProtectedKeyOptions
  readonly #vault: Vault
  #opened = new Map<string, CryptoKey>()
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: PasswordProtectedKeyOptions) {
    const vault = options.vault ?? standardVault()
    super({ ...options, vault })
    this.#options = options
    this.#vault = vault
  }

  /**
   * Answer a challenge. Throws NoEncryptedKeyError; WrongPasswordError, after which the same challenge can be signed
   * again; DamagedEnvelopeError; VaultError; and what `password` throws.
   */
  async sign(challenge: KeyChallenge): Promise<Assertion> {
    const allowed = challenge.allowCredentials.passwordProtectedKey ?? []
    const { credId, key } = await this.#key(allowed)
    return (await assertion('PasswordProtectedKey', key, credId, challenge.challenge)) as Assertion
  }

  /** Forget every opened key, and end what is being opened. The next challenge asks for the password again. */
  lock(): void {
    this.#opened = new Map()
    this.#vault.close()
  }

  // One after the other: two challenges at once ask for one password.
  #key(allowed: readonly AllowedEncryptedKey[]): Promise<OpenedKey> {
    const turn = this.#turn.then(() => this.#held(allowed) ?? this.#ask(allowed))
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  #held(allowed: readonly AllowedEncryptedKey[]): OpenedKey | undefined {
    for (const { id } of allowed) {
      const key = this.#opened.get(id)
      if (key) return { credId: id, key }
    }
    return undefined
  }

  async #ask(allowed: readonly AllowedEncryptedKey[]): Promise<OpenedKey> {
    if (allowed.length === 0) {
      throw new NoEncryptedKeyError('The challenge releases no encrypted key: present a mailed code when asking for it.')
    }
    const opened = this.#opened
    for (let attempt = 1; ; attempt++) {
      try {
        const password = await this.#options.password(attempt)
        if (opened !== this.#opened) throw new VaultError('The signer was locked meanwhile.')
        const found = await this.#open(allowed, password)
        opened.set(found.credId, found.key)
        return found
      } catch (error) {
        if (!(error instanceof WrongPasswordError) || attempt >= (this.#options.attempts ?? 1)) throw error
      }
    }
  }

  /** The first key that the password opens. */
  async #open(allowed: readonly AllowedEncryptedKey[], password: string): Promise<OpenedKey> {
    let failure: unknown
    for (const { id, encryptedPrivateKey } of allowed) {
      try {
        return { credId: id, key: await this.#vault.open(encryptedPrivateKey, password) }
      } catch (error) {
        if (error instanceof WrongPasswordError) failure = error
        else if (error instanceof DamagedEnvelopeError) failure ??= error
        else throw error
      }
    }
    throw failure
  }
}
