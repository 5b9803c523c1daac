// The key envelope: a PEM-encoded P-256 private key in an age passphrase file. Runs in the worker or in Node.

import { armor, Decrypter, Encrypter } from 'age-encryption'

import { fromBase64url, fromPem, pem, utf8, type Bytes } from './encoding.js'
import { DamagedEnvelopeError, WrongPasswordError } from './errors.js'
import { ALGORITHM, subtle } from './key_credential.js'
import type { NewKey, ReencryptedKey } from './jobs.js'

const WORK_FACTOR = 17
const LABEL = 'PRIVATE KEY'
const ARMOR_BEGIN = '-----BEGIN AGE'
const SUPPORTED_HEADER = /^age-encryption\.org\/v1\n-> scrypt [A-Za-z0-9+/]{22} (1?[0-9]|20)\n[A-Za-z0-9+/]{43}\n--- /

// age-encryption has no error class for a wrong passphrase, only this message. Its other errors are about the file.
// A test fails if the message changes.
const WRONG_PASSPHRASE = "no identity matched any of the file's recipients"

/** Normalize a password, so that it doesn't depend on the keyboard (NFKC, NIST SP 800-63B-4 §3.1.1.2). */
function passphrase(password: string): string {
  return password.normalize('NFKC')
}

async function encrypt(text: Bytes, password: string): Promise<string> {
  const encrypter = new Encrypter()
  encrypter.setScryptWorkFactor(WORK_FACTOR)
  encrypter.setPassphrase(passphrase(password))
  return armor.encode(await encrypter.encrypt(text))
}

/** Decode an age file (armored, base64 or base64url) with one scrypt stanza. Throws DamagedEnvelopeError. */
function ageFile(envelope: string): Uint8Array {
  const text = envelope.trim()
  let file: Uint8Array
  try {
    file = text.startsWith(ARMOR_BEGIN) ? armor.decode(text) : fromBase64url(text)
  } catch (error) {
    throw new DamagedEnvelopeError('The envelope is not an armored or base64 age file.', { cause: error })
  }
  const header = new TextDecoder('latin1').decode(file.subarray(0, 256))
  if (!SUPPORTED_HEADER.test(header)) {
    throw new DamagedEnvelopeError('The envelope needs one passphrase and a work factor of 20 or less.')
  }
  return file
}

async function tryDecrypt(file: Uint8Array, secret: string): Promise<Bytes | null> {
  const decrypter = new Decrypter()
  decrypter.addPassphrase(secret)
  try {
    return (await decrypter.decrypt(file)) as Bytes
  } catch (error) {
    if (error instanceof Error && error.message === WRONG_PASSPHRASE) return null
    throw new DamagedEnvelopeError('The age file was altered or truncated.', { cause: error })
  }
}

/** Throws WrongPasswordError or DamagedEnvelopeError. */
async function decrypt(envelope: string, password: string): Promise<Bytes> {
  const file = ageFile(envelope)
  // Another program may have encrypted the key without normalizing the password.
  for (const secret of new Set([passphrase(password), password])) {
    const text = await tryDecrypt(file, secret)
    if (text) return text
  }
  throw new WrongPasswordError('Wrong password. Try again.')
}

async function importKey(text: Bytes): Promise<CryptoKey> {
  try {
    const der = fromPem(LABEL, new TextDecoder().decode(text))
    if (der === null) throw new TypeError('Not a PEM block.')
    const key = await crypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign'])
    der.fill(0)
    return key
  } catch (error) {
    throw new DamagedEnvelopeError('The envelope does not contain a P-256 private key in PKCS#8.', { cause: error })
  }
}

// We overwrite the bytes we hold. Strings and the engine's own copies remain until garbage collection; only ending the
// worker is certain to remove them.

/** Create a key and encrypt it with the password. */
export async function createKey(password: string): Promise<NewKey> {
  const pair = await subtle().generateKey(ALGORITHM, true, ['sign', 'verify'])
  const spki = await crypto.subtle.exportKey('spki', pair.publicKey)
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey('pkcs8', pair.privateKey))
  const text = utf8(pem(LABEL, pkcs8.buffer) + '\n')
  pkcs8.fill(0)
  const envelope = await encrypt(text, password)
  const key = await importKey(text)
  text.fill(0)
  return { key, publicKey: pem('PUBLIC KEY', spki), envelope }
}

/** Decrypt an envelope. The key can't be exported. Throws WrongPasswordError or DamagedEnvelopeError. */
export async function openKey(envelope: string, password: string): Promise<CryptoKey> {
  const text = await decrypt(envelope, password)
  const key = await importKey(text)
  text.fill(0)
  return key
}

/** Encrypt the same key with another password. Throws what `openKey` throws. */
export async function reencryptKey(
  envelope: string,
  oldPassword: string,
  newPassword: string,
): Promise<ReencryptedKey> {
  const text = await decrypt(envelope, oldPassword)
  const key = await importKey(text) // validate before encrypting again
  const reencrypted = await encrypt(text, newPassword)
  text.fill(0)
  return { key, envelope: reencrypted }
}
