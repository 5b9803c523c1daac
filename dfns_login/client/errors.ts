// Errors that the client throws. The worker sends its own to the page by name.

/**
 * Base class of the client's errors. Messages are in English and contain no secrets. Passkeys throw DOMException
 * instead, as browsers do, and a wrong argument throws TypeError.
 */
export class LoginError extends Error {
  override name = 'LoginError'
}

/** The challenge has no encrypted key: it was requested without a code, or the account has no such key. */
export class NoEncryptedKeyError extends LoginError {
  override name = 'NoEncryptedKeyError'
}

/** The envelope looks intact, but this password doesn't decrypt it. */
export class WrongPasswordError extends LoginError {
  override name = 'WrongPasswordError'
}

/** No password can decrypt the envelope: it is truncated, altered, in another format, or has no P-256 key. */
export class DamagedEnvelopeError extends LoginError {
  override name = 'DamagedEnvelopeError'
}

/** The worker was blocked, failed to start, or was closed before it finished. */
export class VaultError extends LoginError {
  override name = 'VaultError'
}

/** The page has no WebCrypto, because it was served over plain HTTP. */
export class InsecureContextError extends LoginError {
  override name = 'InsecureContextError'
}

export interface SerializedError {
  name: string
  message: string
}

export function serializeError(error: unknown): SerializedError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  return { name: error.name, message: error.message }
}

/** Restore the error's class. An unknown error is one that broke the worker. */
export function deserializeError({ name, message }: SerializedError): Error {
  switch (name) {
    case 'WrongPasswordError':
      return new WrongPasswordError(message)
    case 'DamagedEnvelopeError':
      return new DamagedEnvelopeError(message)
    case 'InsecureContextError':
      return new InsecureContextError(message)
    default:
      return new VaultError(`${name}: ${message}`)
  }
}
