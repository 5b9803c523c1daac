// Assertions and attestations signed by a key (Dfns API, Key credentials).

import { base64url, derSignature, hex, utf8, type Bytes } from './encoding.js'
import { InsecureContextError } from './errors.js'
import type { KeyAssertion, KeyAttestation, KeyKind } from './wire.js'

export const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const
const CREDENTIAL_ID_BYTES = 32

/** WebCrypto, which pages have in secure contexts only. Throws InsecureContextError. */
export function subtle(): SubtleCrypto {
  const found: SubtleCrypto | undefined = globalThis.crypto?.subtle
  if (!found) throw new InsecureContextError('This page has no WebCrypto. Serve it over HTTPS, or on localhost.')
  return found
}

async function signature(key: CryptoKey, message: Bytes): Promise<Bytes> {
  return derSignature(await crypto.subtle.sign(SIGNING, key, message))
}

// No origin, like the official key signers: code that holds the key could claim any origin.
function clientData(type: 'key.get' | 'key.create', challenge: string): Bytes {
  return utf8(JSON.stringify({ type, challenge }))
}

/** Generate a credential id: base64url of 32 random bytes. */
export function newCredentialId(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(CREDENTIAL_ID_BYTES)))
}

/** Sign a challenge. `challenge`: the text as received. */
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

/** Sign a registration challenge. `publicKey`: the key's SPKI as PEM. The API fixes the order of the JSON members. */
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
