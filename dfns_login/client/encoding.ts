// Wire encodings: base64url, hexadecimal, PEM and ASN.1 DER signatures.

export type Bytes = Uint8Array<ArrayBuffer>

const P256_INTEGER = 32 // bytes
const DER_SEQUENCE = 0x30
const DER_INTEGER = 0x02

export function utf8(text: string): Bytes {
  return new TextEncoder().encode(text)
}

function binary(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')
}

/** Base64url without padding (RFC 4648 §5). */
export function base64url(bytes: Uint8Array | ArrayBuffer): string {
  const digits = btoa(binary(bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes)))
  return digits.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

/** Decode base64url or base64, with or without padding. Throws DOMException. */
export function fromBase64url(text: string): Bytes {
  const decoded = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(decoded, (character) => character.charCodeAt(0))
}

export function hex(bytes: Uint8Array | ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** PEM with 64-character lines separated by LF, without a trailing LF (RFC 7468 §3). */
export function pem(label: string, der: ArrayBuffer): string {
  const lines = btoa(binary(new Uint8Array(der))).match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`].join('\n')
}

/** Decode a text that is exactly one PEM block with this label; null for any other text. */
export function fromPem(label: string, text: string): Bytes | null {
  const body = new RegExp(`^\\s*-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----\\s*$`).exec(text)?.[1]
  return body === undefined ? null : fromBase64url(body.replace(/\s/g, ''))
}

function derInteger(bytes: Uint8Array): number[] {
  const start = bytes.findIndex((byte) => byte !== 0)
  const digits = start < 0 ? [0] : [...bytes.subarray(start)]
  const unsigned = (digits[0] ?? 0) < 0x80 ? digits : [0, ...digits] // a high bit would make it negative
  return [DER_INTEGER, unsigned.length, ...unsigned]
}

/**
 * Convert a P-256 signature from WebCrypto's format to ASN.1 DER (RFC 3279 §2.2.3).
 *
 * `raw`: r and s, 32 bytes each (Web Cryptography API §23.7.1).
 */
export function derSignature(raw: ArrayBuffer): Bytes {
  const bytes = new Uint8Array(raw)
  if (bytes.length !== 2 * P256_INTEGER) throw new RangeError('This is not a P-256 signature.')
  const integers = [...derInteger(bytes.subarray(0, P256_INTEGER)), ...derInteger(bytes.subarray(P256_INTEGER))]
  return Uint8Array.from([DER_SEQUENCE, integers.length, ...integers])
}
