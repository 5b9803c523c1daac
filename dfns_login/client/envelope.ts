// The key envelope: a P-256 private key as PEM in an age passphrase file. Runs in the worker, or in Node.

import { armor, Decrypter, Encrypter } from 'age-encryption'

import { fromBase64url, fromPem, pem, utf8, type Bytes } from './encoding.js'
import { DamagedEnvelopeError, WrongPasswordError } from './errors.js'
import { ALGORITHM } from './key_credential.js'
import type { NewKey, ResealedKey } from './vault.js'

const WORK_FACTOR = 17
const LABEL = 'PRIVATE KEY'
const ARMOR_BEGIN = '-----BEGIN AGE'
const WORK_FACTORS = /^age-encryption\.org\/v1\n-> scrypt [A-Za-z0-9+/]{22} (1?[0-9]|20)\n[A-Za-z0-9+/]{43}\n--- /

// What the library says where an intact stanza does not open. All else that it throws is about the file. It has no
// class for it; the tests hold the text.
const NOT_OPENED = "no identity matched any of the file's recipients"

/**
 * The passphrase of a password: the same for every way to type it (NFKC, NIST SP 800-63B-4 §3.1.1.2).
 */
function passphrase(password: string): string {
  return password.normalize('NFKC')
}

async function seal(text: Bytes, password: string): Promise<string> {
  const encrypter = new Encrypter()
  encrypter.setScryptWorkFactor(WORK_FACTOR)
  encrypter.setPassphrase(passphrase(password))
  return armor.encode(await encrypter.encrypt(text))
}

/** Bytes of an age file in armor, base64 or base64url, whose one stanza is scrypt's. Throws DamagedEnvelopeError. */
function ageFile(envelope: string): Uint8Array {
  const text = envelope.trim()
  let file: Uint8Array
  try {
    file = text.startsWith(ARMOR_BEGIN) ? armor.decode(text) : fromBase64url(text)
  } catch (error) {
    throw new DamagedEnvelopeError('It is no age file in armor or base64.', { cause: error })
  }
  const header = new TextDecoder('latin1').decode(file.subarray(0, 256))
  if (!WORK_FACTORS.test(header)) {
    throw new DamagedEnvelopeError('It is no age file for one passphrase, with a work factor of 20 at most.')
  }
  return file
}

async function decrypt(file: Uint8Array, secret: string): Promise<Bytes | null> {
  const decrypter = new Decrypter()
  decrypter.addPassphrase(secret)
  try {
    return (await decrypter.decrypt(file)) as Bytes
  } catch (error) {
    if (error instanceof Error && error.message === NOT_OPENED) return null
    throw new DamagedEnvelopeError('The age file was altered or cut.', { cause: error })
  }
}

/** What the envelope holds. Throws WrongPasswordError or DamagedEnvelopeError. */
async function unseal(envelope: string, password: string): Promise<Bytes> {
  const file = ageFile(envelope)
  // Another program may have taken the password as it was typed.
  for (const secret of new Set([passphrase(password), password])) {
    const text = await decrypt(file, secret)
    if (text) return text
  }
  throw new WrongPasswordError('The password does not open the key.')
}

async function imported(text: Bytes): Promise<CryptoKey> {
  try {
    const der = fromPem(LABEL, new TextDecoder().decode(text))
    if (der === null) throw new TypeError('no PEM block')
    const key = await crypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign'])
    der.fill(0)
    return key
  } catch (error) {
    throw new DamagedEnvelopeError('The envelope holds no P-256 private key in PKCS#8.', { cause: error })
  }
}

// Bytes are overwritten where we hold them. The engine's copies, and strings, last until they are collected: what
// ends them for sure is the end of the worker.

/** Make a key, and seal it under the password. */
export async function createKey(password: string): Promise<NewKey> {
  const pair = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const spki = await crypto.subtle.exportKey('spki', pair.publicKey)
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey('pkcs8', pair.privateKey))
  const text = utf8(pem(LABEL, pkcs8.buffer) + '\n')
  pkcs8.fill(0)
  const envelope = await seal(text, password)
  const key = await imported(text)
  text.fill(0)
  return { key, publicKey: pem('PUBLIC KEY', spki), envelope }
}

/** The key of an envelope, which cannot be exported any more. Throws WrongPasswordError or DamagedEnvelopeError. */
export async function openKey(envelope: string, password: string): Promise<CryptoKey> {
  const text = await unseal(envelope, password)
  const key = await imported(text)
  text.fill(0)
  return key
}

/** The same key in a new envelope, under another password. Throws as `openKey` does. */
export async function resealKey(envelope: string, oldPassword: string, newPassword: string): Promise<ResealedKey> {
  const text = await unseal(envelope, oldPassword)
  const key = await imported(text) // first: what holds no key is not sealed again
  const resealed = await seal(text, newPassword)
  text.fill(0)
  return { key, envelope: resealed }
}
