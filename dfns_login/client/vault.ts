// Vaults encrypt and decrypt key envelopes: in a worker, or in place where there are no workers.

import { deserializeError, VaultError } from './errors.js'
import type { Job, JobRequest, JobResponse, NewKey, ReencryptedKey } from './jobs.js'

/** Each method takes about a second on a fast processor and 128 MiB of memory (scrypt, work factor 17). */
export interface Vault {
  create(password: string): Promise<NewKey>
  /** Throws WrongPasswordError, DamagedEnvelopeError or VaultError. */
  open(envelope: string, password: string): Promise<CryptoKey>
  /** Encrypt the same private key with another password. Throws what `open` throws. */
  reencrypt(envelope: string, oldPassword: string, newPassword: string): Promise<ReencryptedKey>
  /** Cancel work in progress, which then throws VaultError. The vault can be used again. */
  close(): void
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string }
}

interface PendingJob {
  resolve(result: unknown): void
  reject(error: Error): void
}

const POLICY = 'dfns-login'
const allowedUrls = new Set<string>()
let policy: { createScriptURL(url: string): string } | undefined

/** Convert the URL for `Worker` under Trusted Types. The policy allows only the worker's URL. */
function scriptUrl(url: string): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes }
  if (!trustedTypes) return url
  policy ??= trustedTypes.createPolicy(POLICY, {
    createScriptURL(requested) {
      if (allowedUrls.has(requested)) return requested
      throw new TypeError('This is not the URL of the dfns_login worker.')
    },
  })
  return policy.createScriptURL(url)
}

class WorkerVault implements Vault {
  #worker: Worker | undefined
  #lastId = 0
  readonly #pending = new Map<number, PendingJob>()
  readonly #url: string

  constructor(url: string) {
    this.#url = url
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
    this.#fail(new VaultError('The vault was closed.'))
  }

  async #perform<Result>(job: Job): Promise<Result> {
    const id = ++this.#lastId
    const request: JobRequest = { ...job, id }
    this.#worker ??= this.#startWorker()
    const worker = this.#worker
    return new Promise<Result>((resolve, reject) => {
      this.#pending.set(id, { resolve: (result) => resolve(result as Result), reject })
      worker.postMessage(request)
    })
  }

  #startWorker(): Worker {
    let worker: Worker
    try {
      worker = new Worker(scriptUrl(this.#url), { name: POLICY })
    } catch (error) {
      throw new VaultError("The page's policies blocked the worker, or its URL is on another origin.", {
        cause: error,
      })
    }
    worker.addEventListener('message', ({ data }: MessageEvent<JobResponse>) => this.#receive(data))
    worker.addEventListener('error', (event) => {
      event.preventDefault()
      this.#fail(new VaultError(`The worker did not start, or failed. ${event.message ?? ''}`.trim()))
    })
    worker.addEventListener('messageerror', () => {
      this.#fail(new VaultError('This browser does not let a worker send a key to the page.'))
    })
    return worker
  }

  #receive(response: JobResponse): void {
    const pending = this.#pending.get(response.id)
    this.#pending.delete(response.id)
    if (this.#pending.size === 0) this.#terminate()
    if ('error' in response) pending?.reject(deserializeError(response.error))
    else pending?.resolve(response.result)
  }

  #fail(error: VaultError): void {
    this.#terminate()
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const each of pending) each.reject(error)
  }

  // The worker ends when it has no more work, which frees its memory with the key and the password.
  #terminate(): void {
    this.#worker?.terminate()
    this.#worker = undefined
  }
}

/**
 * Create a vault that starts a worker when there is work and ends it afterwards.
 *
 * `url`: URL of `envelope.worker.js`, on the page's own origin. The Trusted Types policy `dfns-login` allows it.
 */
export function workerVault(url: URL | string): Vault {
  const { href } = new URL(url, location.href)
  allowedUrls.add(href)
  return new WorkerVault(href)
}

/** Create a vault that works in place, for Node and tests. In a page it would block the main thread for seconds. */
export function localVault(): Vault {
  const envelopes = (): Promise<typeof import('./envelope.js')> => import('./envelope.js')
  return {
    create: async (password) => (await envelopes()).createKey(password),
    open: async (envelope, password) => (await envelopes()).openKey(envelope, password),
    reencrypt: async (envelope, oldPassword, newPassword) =>
      (await envelopes()).reencryptKey(envelope, oldPassword, newPassword),
    close: () => undefined,
  }
}

/** Create a vault in the worker next to this script, or in place if there are no workers, as in Node. */
export function standardVault(): Vault {
  return typeof Worker === 'undefined' ? localVault() : workerVault(new URL('./envelope.worker.js', import.meta.url))
}
