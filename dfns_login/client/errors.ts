// What can go wrong with a key envelope. Each crosses the worker's boundary by its name.

/** The password does not open the envelope, which is whole as far as can be seen from outside. */
export class WrongPasswordError extends Error {
  override name = 'WrongPasswordError'
}

/** The envelope opens under no password: it is cut, altered, of another form, or holds no P-256 key. */
export class DamagedEnvelopeError extends Error {
  override name = 'DamagedEnvelopeError'
}

/** Nobody was there to open it: the worker was not let in, did not start, or was closed meanwhile. */
export class VaultError extends Error {
  override name = 'VaultError'
}

export interface ToldError {
  name: string
  message: string
}

export function told(error: unknown): ToldError {
  return error instanceof Error ? { name: error.name, message: error.message } : { name: 'Error', message: String(error) }
}

/** The error again, as one of its class. What has no class of its own broke the worker. */
export function asThrown({ name, message }: ToldError): Error {
  switch (name) {
    case 'WrongPasswordError':
      return new WrongPasswordError(message)
    case 'DamagedEnvelopeError':
      return new DamagedEnvelopeError(message)
    default:
      return new VaultError(`${name}: ${message}`)
  }
}
