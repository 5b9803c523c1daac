// Errors of key envelopes. The worker sends them to the page by name.

/** The envelope looks intact, but this password doesn't decrypt it. */
export class WrongPasswordError extends Error {
  override name = 'WrongPasswordError'
}

/** No password can decrypt the envelope: it is truncated, altered, in another format, or has no P-256 key. */
export class DamagedEnvelopeError extends Error {
  override name = 'DamagedEnvelopeError'
}

/** The worker was blocked, failed to start, or was closed before it finished. */
export class VaultError extends Error {
  override name = 'VaultError'
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
    default:
      return new VaultError(`${name}: ${message}`)
  }
}
