// HPKE (RFC 9180): released keys are encrypted to a key that only this page holds.

import { base64url, fromBase64url, utf8 } from './encoding.js'
import { DamagedEnvelopeError } from './errors.js'
import { subtle } from './key_credential.js'
import type { AllowedEncryptedKey, KeyChallenge } from './wire.js'

const INFO = 'dfns_login released key 1 '
const POINT_LENGTH = 65 // bytes

/**
 * Reads the encrypted keys of one reply. Send `publicKey` as `ephemeralPublicKey` with a request that may release keys.
 * Then a log, cache or recorder that sees the reply holds nothing whose password could be guessed. The private key can't
 * be exported.
 */
export class KeyReader {
  /** Uncompressed point of P-256 as base64url. */
  readonly publicKey: string
  readonly #keys: CryptoKeyPair

  private constructor(keys: CryptoKeyPair, publicKey: string) {
    this.#keys = keys
    this.publicKey = publicKey
  }

  /** Create a reader for one request. Throws InsecureContextError. */
  static async create(): Promise<KeyReader> {
    void import('@hpke/core').catch(() => undefined) // loads while the request is under way; `read` reports a failure
    const keys = await subtle().generateKey({ name: 'ECDH', namedCurve: 'P-256' }, false, ['deriveBits'])
    return new KeyReader(keys, base64url(await subtle().exportKey('raw', keys.publicKey)))
  }

  /**
   * Decrypt the encrypted key of a credential. An empty text, which stands for no key, stays empty. Throws
   * DamagedEnvelopeError, also for a key that the server did not encrypt to this reader.
   */
  async read(credId: string, text: string): Promise<string> {
    if (text === '') return ''
    const { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } = await import('@hpke/core')
    const suite = new CipherSuite({
      kem: new DhkemP256HkdfSha256(),
      kdf: new HkdfSha256(),
      aead: new Aes256Gcm(),
    })
    try {
      const bytes = fromBase64url(text)
      const enc = bytes.slice(0, POINT_LENGTH)
      const opened = { recipientKey: this.#keys, enc, info: utf8(INFO + credId) }
      return new TextDecoder().decode(await suite.open(opened, bytes.slice(POINT_LENGTH)))
    } catch (error) {
      const message = "The server did not encrypt the key to this reader. Send the reader's publicKey with the request."
      throw new DamagedEnvelopeError(message, { cause: error })
    }
  }

  /** Return the challenge with its encrypted keys decrypted. Throws what `read` throws. */
  async readChallenge<Challenge extends KeyChallenge>(challenge: Challenge): Promise<Challenge> {
    const allowed = challenge.allowCredentials
    if (!allowed.passwordProtectedKey) return challenge
    const passwordProtectedKey = await Promise.all(allowed.passwordProtectedKey.map((each) => this.#readAllowed(each)))
    return { ...challenge, allowCredentials: { ...allowed, passwordProtectedKey } }
  }

  async #readAllowed(key: AllowedEncryptedKey): Promise<AllowedEncryptedKey> {
    return { ...key, encryptedPrivateKey: await this.read(key.id, key.encryptedPrivateKey) }
  }
}
