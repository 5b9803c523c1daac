// The workers of a page: their URLs under Trusted Types, and requests to them, whose responses have the same id.

import { VaultError } from './errors.js'

interface Policy {
  createScriptURL(url: string): string
}

interface TrustedTypes {
  createPolicy(name: string, rules: Policy): Policy
}

interface PendingRequest<Response> {
  resolve(response: Response): void
  reject(error: Error): void
}

const POLICY = 'dfns-login'
const allowedUrls = new Set<string>()
let policy: Policy | undefined

/** Convert the URL for `Worker` under Trusted Types. The policy allows only the workers' URLs. */
function scriptUrl(url: string): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes }
  if (!trustedTypes) return url
  policy ??= trustedTypes.createPolicy(POLICY, {
    createScriptURL(requested) {
      if (allowedUrls.has(requested)) return requested
      throw new TypeError('This is not the URL of a dfns_login worker.')
    },
  })
  return policy.createScriptURL(url)
}

/**
 * A worker that starts with the first request, or earlier with `start`.
 *
 * `url`: of its script, on the page's own origin. The Trusted Types policy `dfns-login` allows it.
 * `onMessage`: called for messages without an id.
 */
export class WorkerRequests<Request extends object, Response extends { id: number }> {
  #worker: Worker | undefined
  #lastId = 0
  readonly #pending = new Map<number, PendingRequest<Response>>()
  readonly #url: string
  readonly #onMessage: () => void

  constructor(url: URL | string, onMessage: () => void = () => undefined) {
    this.#url = new URL(url, location.href).href
    this.#onMessage = onMessage
    allowedUrls.add(this.#url)
  }

  /** Whether no response is due. */
  get idle(): boolean {
    return this.#pending.size === 0
  }

  /** Start the worker, unless it runs. Throws VaultError if the page's policies block it. */
  start(): Worker {
    this.#worker ??= this.#start()
    return this.#worker
  }

  /** Throws VaultError if the worker does not start, fails or is ended. */
  async send(request: Request): Promise<Response> {
    const worker = this.start()
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      worker.postMessage({ ...request, id })
    })
  }

  /** End the worker. Pending requests throw the error. */
  end(error: VaultError): void {
    this.#worker?.terminate()
    this.#worker = undefined
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const each of pending) each.reject(error)
  }

  #start(): Worker {
    let worker: Worker
    try {
      worker = new Worker(scriptUrl(this.#url), { name: POLICY })
    } catch (error) {
      const remedy = "Serve it from the page's own origin, and allow the Trusted Types policy dfns-login."
      throw new VaultError(`The browser blocked the worker ${this.#url}. ${remedy}`, { cause: error })
    }
    worker.addEventListener('message', ({ data }: MessageEvent<Response | { id?: undefined }>) => this.#receive(data))
    worker.addEventListener('error', (event) => {
      event.preventDefault()
      const remedy = 'Check that this script is served, and that worker-src allows it.'
      const reason = event.message ? `failed: ${event.message}` : `did not start. ${remedy}`
      this.end(new VaultError(`The worker ${this.#url} ${reason}`))
    })
    worker.addEventListener('messageerror', () => {
      this.end(new VaultError('This browser does not let a worker send a key to the page.'))
    })
    return worker
  }

  #receive(message: Response | { id?: undefined }): void {
    if (message.id === undefined) return this.#onMessage()
    const pending = this.#pending.get(message.id)
    this.#pending.delete(message.id)
    pending?.resolve(message)
  }
}
