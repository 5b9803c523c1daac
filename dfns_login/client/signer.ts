// Stores and signers of password-protected keys, for the official Dfns client and other front ends.

import { assertion, attestation, newCredentialId } from './key_credential.js'
import type { KeyReader } from './key_reader.js'
import { DamagedEnvelopeError, NoEncryptedKeyError, VaultError, WrongPasswordError } from './errors.js'
import { standardVault, type Vault } from './vault.js'
import type {
  AllowedEncryptedKey,
  KeyChallenge,
  PasswordProtectedKeyAssertion,
  PasswordProtectedKeyAttestation,
} from './wire.js'

/**
 * `password`: asks for the password. `attempt` starts at 1 and goes up after each wrong password.
 * `attempts`: how many times to ask before throwing WrongPasswordError; default 1. A wrong password causes no request
 * and needs no new code.
 * `vault`: where keys are created and decrypted; default `standardVault()`.
 * `reader`: accept only encrypted keys that were requested with its `publicKey`.
 */
export interface PasswordProtectedKeyOptions {
  password: (attempt: number) => string | Promise<string>
  attempts?: number | undefined
  vault?: Vault | undefined
  reader?: KeyReader | undefined
}

interface CreatedKey {
  key: CryptoKey
  credential: PasswordProtectedKeyAttestation
}

interface OpenedKey {
  credId: string
  key: CryptoKey
}

/** A challenge as the official client passes it. Only one with a `challenge` is for a key. */
type NewKeyChallenge = { challenge: string } | { kind: string }

async function createKey(
  challenge: NewKeyChallenge,
  { password }: PasswordProtectedKeyOptions,
  vault: Vault,
): Promise<CreatedKey> {
  if (!('challenge' in challenge)) throw new TypeError('The challenge is not for a password-protected key.')
  const { key, publicKey, envelope } = await vault.create(await password(1))
  const credentialInfo = await attestation(key, publicKey, challenge.challenge, newCredentialId())
  return { key, credential: { credentialKind: 'PasswordProtectedKey', credentialInfo, encryptedPrivateKey: envelope } }
}

/**
 * Creates password-protected keys. Implements `CredentialStore` of the official client.
 *
 * `Attestation`: the official types don't include this kind of key, though the API does. Name the type they expect:
 * `PasswordProtectedKeyStore<FirstFactorAttestation>`. This changes only the types.
 */
export class PasswordProtectedKeyStore<Attestation = PasswordProtectedKeyAttestation> {
  readonly #options: PasswordProtectedKeyOptions
  readonly #vault: Vault

  constructor(options: PasswordProtectedKeyOptions) {
    this.#options = options
    this.#vault = options.vault ?? standardVault()
  }

  /**
   * Create a key, encrypt it with the password, and sign the challenge of a registration or of a new credential with
   * it. Throws TypeError if the challenge is for another kind of credential, VaultError, and what `password` throws.
   */
  async create(challenge: NewKeyChallenge): Promise<Attestation> {
    return (await createKey(challenge, this.#options, this.#vault)).credential as Attestation
  }
}

/**
 * Signs login challenges and user actions with a password-protected key. Implements `CredentialSigner` of the official
 * client.
 *
 * Asks for the password once: the key, which can't be exported, stays in memory until `lock()`.
 * `Assertion`, `Attestation`: see `PasswordProtectedKeyStore`; use `FirstFactorAssertion`, `FirstFactorAttestation`.
 */
export class PasswordProtectedKeySigner<
  Assertion = PasswordProtectedKeyAssertion,
  Attestation = PasswordProtectedKeyAttestation,
> extends PasswordProtectedKeyStore<Attestation> {
  readonly #options: PasswordProtectedKeyOptions
  readonly #vault: Vault
  #opened = new Map<string, CryptoKey>()
  #queue: Promise<unknown> = Promise.resolve()

  constructor(options: PasswordProtectedKeyOptions) {
    const vault = options.vault ?? standardVault()
    super({ ...options, vault })
    this.#options = options
    this.#vault = vault
  }

  /** Create a key, as `PasswordProtectedKeyStore` does, and keep it: it signs without asking for the password again. */
  override async create(challenge: NewKeyChallenge): Promise<Attestation> {
    const opened = this.#opened
    const { key, credential } = await createKey(challenge, this.#options, this.#vault)
    opened.set(credential.credentialInfo.credId, key)
    return credential as Attestation
  }

  /**
   * Sign a challenge. Throws NoEncryptedKeyError, WrongPasswordError (you can retry with the same challenge),
   * DamagedEnvelopeError, VaultError, and what `password` throws.
   */
  async sign(challenge: KeyChallenge): Promise<Assertion> {
    const allowed = challenge.allowCredentials.passwordProtectedKey ?? []
    const { credId, key } = await this.#key(allowed)
    return (await assertion('PasswordProtectedKey', key, credId, challenge.challenge)) as Assertion
  }

  /** Forget decrypted keys and cancel work in progress. The next challenge asks for the password again. */
  lock(): void {
    this.#opened = new Map()
    this.#vault.close()
  }

  // One at a time, so that two simultaneous challenges ask for the password once.
  #key(allowed: readonly AllowedEncryptedKey[]): Promise<OpenedKey> {
    const result = this.#queue.then(() => this.#alreadyOpened(allowed) ?? this.#ask(allowed))
    this.#queue = result.catch(() => undefined)
    return result
  }

  #alreadyOpened(allowed: readonly AllowedEncryptedKey[]): OpenedKey | undefined {
    for (const { id } of allowed) {
      const key = this.#opened.get(id)
      if (key) return { credId: id, key }
    }
    return undefined
  }

  async #ask(allowed: readonly AllowedEncryptedKey[]): Promise<OpenedKey> {
    if (allowed.length === 0) {
      throw new NoEncryptedKeyError('The challenge has no encrypted key. Request it with an emailed code.')
    }
    const opened = this.#opened
    for (let attempt = 1; ; attempt++) {
      try {
        const password = await this.#options.password(attempt)
        if (opened !== this.#opened) throw new VaultError('The signer was locked while asking for the password.')
        const found = await this.#open(allowed, password)
        opened.set(found.credId, found.key)
        return found
      } catch (error) {
        if (!(error instanceof WrongPasswordError) || attempt >= (this.#options.attempts ?? 1)) throw error
      }
    }
  }

  /** Decrypt the first key that the password fits. */
  async #open(allowed: readonly AllowedEncryptedKey[], password: string): Promise<OpenedKey> {
    let failure: unknown
    for (const { id, encryptedPrivateKey } of allowed) {
      try {
        const { reader } = this.#options
        const envelope = reader ? await reader.read(id, encryptedPrivateKey) : encryptedPrivateKey
        return { credId: id, key: await this.#vault.open(envelope, password) }
      } catch (error) {
        if (error instanceof WrongPasswordError) failure = error
        else if (error instanceof DamagedEnvelopeError) failure ??= error
        else throw error
      }
    }
    throw failure
  }
}
