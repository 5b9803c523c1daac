// Vaults encrypt and decrypt key envelopes: in a worker, or in place where there are no workers.

import { deserializeError, VaultError } from './errors.js'
import type { Job, JobResponse, NewKey, ReencryptedKey } from './jobs.js'
import { WorkerRequests } from './workers.js'

/** Creating and decrypting keys takes about a second on a fast processor and 128 MiB of memory (scrypt, work factor 17). */
export interface Vault {
  /** Start loading what the other methods need, such as while the person types the password. */
  prepare(): void
  create(password: string): Promise<NewKey>
  /** Throws WrongPasswordError, DamagedEnvelopeError or VaultError. */
  open(envelope: string, password: string): Promise<CryptoKey>
  /** Encrypt the same private key with another password. Throws what `open` throws. */
  reencrypt(envelope: string, oldPassword: string, newPassword: string): Promise<ReencryptedKey>
  /** Cancel work in progress, which then throws VaultError. The vault can be used again. */
  close(): void
}

class WorkerVault implements Vault {
  readonly #requests: WorkerRequests<Job, JobResponse>

  constructor(url: URL | string) {
    this.#requests = new WorkerRequests(url)
  }

  prepare(): void {
    try {
      this.#requests.start()
    } catch {
      // the next job reports it
    }
  }

  create(password: string): Promise<NewKey> {
    return this.#perform({ type: 'create', password })
  }

  open(envelope: string, password: string): Promise<CryptoKey> {
    return this.#perform({ type: 'open', envelope, password })
  }

  reencrypt(envelope: string, oldPassword: string, newPassword: string): Promise<ReencryptedKey> {
    return this.#perform({ type: 'reencrypt', envelope, oldPassword, newPassword })
  }

  close(): void {
    this.#requests.end(new VaultError('The vault was closed.'))
  }

  async #perform<Result>(job: Job): Promise<Result> {
    const response = await this.#requests.send(job)
    if (this.#requests.idle) this.close() // frees the worker's memory with the key and the password
    if ('error' in response) throw deserializeError(response.error)
    return response.result as Result
  }
}

/**
 * Create a vault that starts a worker when there is work and ends it afterwards.
 *
 * `url`: URL of `envelope.worker.js`, on the page's own origin. The Trusted Types policy `dfns-login` allows it.
 */
export function workerVault(url: URL | string): Vault {
  return new WorkerVault(url)
}

/** Create a vault that works in place, for Node and tests. In a page it would block the main thread for seconds. */
export function localVault(): Vault {
  const envelopes = (): Promise<typeof import('./envelope.js')> => import('./envelope.js')
  return {
    prepare: () => void envelopes(),
    create: async (password) => (await envelopes()).createKey(password),
    open: async (envelope, password) => (await envelopes()).openKey(envelope, password),
    reencrypt: async (envelope, oldPassword, newPassword) =>
      (await envelopes()).reencryptKey(envelope, oldPassword, newPassword),
    close: () => undefined,
  }
}

/** Create a vault in the worker next to this script, or in place if there are no workers, as in Node. */
export function standardVault(): Vault {
  const inPage = typeof Worker !== 'undefined' && typeof location !== 'undefined'
  return inPage ? workerVault(new URL('./envelope.worker.js', import.meta.url)) : localVault()
}
