// Where envelopes are made and opened: in a worker of the page, or in place where there is none.

import { asThrown, VaultError } from './errors.js'
import type { Asked, Job, Said } from './jobs.js'

/**
 * A new key. key: private, signs, and cannot be exported. publicKey: SPKI as PEM, without a last line end.
 * envelope: the same private key, as an armored age file under the password.
 */
export interface NewKey {
  key: CryptoKey
  publicKey: string
  envelope: string
}

export interface ResealedKey {
  key: CryptoKey
  envelope: string
}

/** Every method takes about a second of a fast processor, and 128 MiB (scrypt, work factor 17). */
export interface Vault {
  create(password: string): Promise<NewKey>
  /** Throws WrongPasswordError, DamagedEnvelopeError or VaultError. */
  open(envelope: string, password: string): Promise<CryptoKey>
  /** The same private key under another password. Throws as `open` does. */
  reseal(envelope: string, oldPassword: string, newPassword: string): Promise<ResealedKey>
  /** End what is under way: it throws VaultError. The vault can be used again. */
  close(): void
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string }
}

interface Waiting {
  resolve(answer: unknown): void
  reject(error: Error): void
}

const POLICY = 'dfns-login'
const permitted = new Set<string>()
let policy: { createScriptURL(url: string): string } | undefined

/** The URL in the form that `Worker` takes under Trusted Types, from the one policy, which lets pass nothing else. */
function scriptUrl(url: string): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes }
  if (!trustedTypes) return url
  policy ??= trustedTypes.createPolicy(POLICY, {
    createScriptURL(asked) {
      if (permitted.has(asked)) return asked
      throw new TypeError('That is not the worker of dfns_login.')
    },
  })
  return policy.createScriptURL(url)
}

class WorkerVault implements Vault {
  #worker: Worker | undefined
  #last = 0
  readonly #waiting = new Map<number, Waiting>()
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  create(password: string): Promise<NewKey> {
    return this.#ask({ do: 'create', password })
  }

  open(envelope: string, password: string): Promise<CryptoKey> {
    return this.#ask({ do: 'open', envelope, password })
  }

  reseal(envelope: string, oldPassword: string, newPassword: string): Promise<ResealedKey> {
    return this.#ask({ do: 'reseal', envelope, oldPassword, newPassword })
  }

  close(): void {
    this.#fail(new VaultError('The vault was closed.'))
  }

  async #ask<Answer>(job: Job): Promise<Answer> {
    const id = ++this.#last
    const asked: Asked = { ...job, id }
    this.#worker ??= this.#started()
    const worker = this.#worker
    return new Promise<Answer>((resolve, reject) => {
      this.#waiting.set(id, { resolve: (answer) => resolve(answer as Answer), reject })
      worker.postMessage(asked)
    })
  }

  #started(): Worker {
    let worker: Worker
    try {
      worker = new Worker(scriptUrl(this.#url), { name: POLICY })
    } catch (error) {
      throw new VaultError('The worker was not let in by the policies of the page, or is of another origin.', {
        cause: error,
      })
    }
    worker.addEventListener('message', ({ data }: MessageEvent<Said>) => this.#hear(data))
    worker.addEventListener('error', (event) => {
      event.preventDefault()
      this.#fail(new VaultError(`The worker did not start, or broke down. ${event.message ?? ''}`.trim()))
    })
    worker.addEventListener('messageerror', () => {
      this.#fail(new VaultError('This browser does not let a worker hand over a key.'))
    })
    return worker
  }

  #hear(said: Said): void {
    const waiting = this.#waiting.get(said.id)
    this.#waiting.delete(said.id)
    if (this.#waiting.size === 0) this.#end()
    if ('error' in said) waiting?.reject(asThrown(said.error))
    else waiting?.resolve(said.answer)
  }

  #fail(error: VaultError): void {
    this.#end()
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const each of waiting) each.reject(error)
  }

  // The worker ends with its work: its memory, with the key and the password in it, goes back at once.
  #end(): void {
    this.#worker?.terminate()
    this.#worker = undefined
  }
}

/**
 * A vault in a worker, which is started when there is something to do, and ends when it is done.
 *
 * url: of `envelope.worker.js`, of the page's own origin; it becomes the one that the Trusted Types policy
 * `dfns-login` lets pass.
 */
export function workerVault(url: URL | string): Vault {
  const { href } = new URL(url, location.href)
  permitted.add(href)
  return new WorkerVault(href)
}

/** A vault in place: for Node and tests. In a page it would stop everything for seconds, with the key in clear. */
export function localVault(): Vault {
  const envelopes = (): Promise<typeof import('./envelope.js')> => import('./envelope.js')
  return {
    create: async (password) => (await envelopes()).createKey(password),
    open: async (envelope, password) => (await envelopes()).openKey(envelope, password),
    reseal: async (envelope, oldPassword, newPassword) =>
      (await envelopes()).resealKey(envelope, oldPassword, newPassword),
    close: () => undefined,
  }
}

/** A vault in the worker that lies beside this script; in place where there are no workers, as in Node. */
export function standardVault(): Vault {
  return typeof Worker === 'undefined' ? localVault() : workerVault(new URL('./envelope.worker.js', import.meta.url))
}
