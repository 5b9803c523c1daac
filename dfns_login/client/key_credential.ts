// What a key signs, as the wire has it: assertions, and the attestation of a new key (Dfns API, Key credentials).

import { base64url, derSignature, hex, utf8, type Bytes } from './encoding.js'
import type { KeyAssertion, KeyAttestation, KeyKind } from './wire.js'

export const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const
const CREDENTIAL_ID_BYTES = 32

async function signature(key: CryptoKey, message: Bytes): Promise<Bytes> {
  return derSignature(await crypto.subtle.sign(SIGNING, key, message))
}

// No origin, as the official key signers have it: whatever runs with the key in hand could name any.
function clientData(type: 'key.get' | 'key.create', challenge: string): Bytes {
  return utf8(JSON.stringify({ type, challenge }))
}

/** A new credential id: base64url of 32 random bytes. */
export function newCredentialId(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(CREDENTIAL_ID_BYTES)))
}

/** Answer a challenge. challenge: the text as it was given. */
export async function assertion<Kind extends KeyKind>(
  kind: Kind,
  key: CryptoKey,
  credId: string,
  challenge: string,
): Promise<KeyAssertion<Kind>> {
  const data = clientData('key.get', challenge)
  const signed = base64url(await signature(key, data))
  return { kind, credentialAssertion: { credId, clientData: base64url(data), signature: signed } }
}

/** Answer a registration challenge. publicKey: SPKI as PEM, of the key. Members and their order are those of the API. */
export async function attestation(
  key: CryptoKey,
  publicKey: string,
  challenge: string,
  credId: string = newCredentialId(),
): Promise<KeyAttestation> {
  const data = clientData('key.create', challenge)
  const clientDataHash = hex(await crypto.subtle.digest('SHA-256', data))
  const signed = hex(await signature(key, utf8(JSON.stringify({ clientDataHash, publicKey }))))
  const attestationData = base64url(utf8(JSON.stringify({ publicKey, signature: signed })))
  return { credId, clientData: base64url(data), attestationData }
}
