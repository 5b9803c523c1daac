// Messages between the page and its worker.

import type { SerializedError } from './errors.js'

/**
 * A new key. `key`: private, can sign but can't be exported. `publicKey`: SPKI as PEM, without a trailing line feed.
 * `envelope`: the private key in an armored age file, encrypted with the password.
 */
export interface NewKey {
  key: CryptoKey
  publicKey: string
  envelope: string
}

/** The same private key, encrypted with another password. */
export interface ReencryptedKey {
  key: CryptoKey
  envelope: string
}

export type Job =
  | { type: 'create'; password: string }
  | { type: 'open'; envelope: string; password: string }
  | { type: 'reencrypt'; envelope: string; oldPassword: string; newPassword: string }

export type JobRequest = Job & { id: number }

export type JobResponse = { id: number } & ({ result: unknown } | { error: SerializedError })
