// Requests to the API: by the pages with a session in a cookie, or by other front ends with a token.

import { KeyReader } from './key_reader.js'
import type { KeyChallenge } from './wire.js'

/** An error response. `code`: machine-readable reason. `retryAfter`: seconds, if the server sent it. */
export class Refusal extends Error {
  override name = 'Refusal'
  readonly status: number
  readonly code: string
  readonly details: Readonly<Record<string, unknown>>
  readonly retryAfter: number | null

  constructor(response: Response, error: { message?: string; code?: string; details?: Record<string, unknown> }) {
    super(error.message ?? response.statusText)
    this.status = response.status
    this.code = error.code ?? ''
    this.details = error.details ?? {}
    const seconds = Number.parseInt(response.headers.get('Retry-After') ?? '', 10)
    this.retryAfter = Number.isNaN(seconds) ? null : seconds
  }
}

/** No response, or a response that is not JSON. */
export class UnreachableError extends Error {
  override name = 'UnreachableError'
}

/** `bearer`: another token than that of the session. `userAction`: token of a signed user action. */
export interface CallOptions {
  bearer?: string
  userAction?: string
  signal?: AbortSignal
}

export interface SignedFactors {
  firstFactor: object
  secondFactor?: object
}

/**
 * What identifies the session, read for each request and left out while it is empty. `bearer`: the token of
 * `POST /auth/login`. `csrfToken`: for a session in a cookie, which browsers send to the page's own origin only.
 */
export interface ApiOptions {
  bearer?: () => string
  csrfToken?: () => string
}

/** `base`: URL or path that precedes `auth/…`, with or without a trailing slash. */
export class Api {
  readonly #base: string
  readonly #options: ApiOptions

  constructor(base: string, options: ApiOptions = {}) {
    this.#base = base.replace(/\/*$/, '/')
    this.#options = options
  }

  /** The URL of a path below the base. Two slashes would begin the name of a host, which would get the token. */
  #url(path: string): string {
    return this.#base + path.replace(/^[/\\]+/, '')
  }

  /** Send a request. `path`: relative to the base. Throws Refusal, UnreachableError, or the signal's reason. */
  async call<Reply = unknown>(method: string, path: string, body?: object, options: CallOptions = {}): Promise<Reply> {
    const { bearer = this.#options.bearer?.(), userAction, signal } = options
    const csrfToken = this.#options.csrfToken?.()
    const headers = new Headers({ Accept: 'application/json' })
    if (csrfToken) headers.set('X-CSRFToken', csrfToken)
    if (body !== undefined) headers.set('Content-Type', 'application/json')
    if (bearer) headers.set('Authorization', `Bearer ${bearer}`)
    if (userAction !== undefined) headers.set('X-DFNS-USERACTION', userAction)
    let response: Response
    let reply: unknown
    try {
      response = await fetch(this.#url(path), {
        method,
        headers,
        credentials: 'same-origin',
        redirect: 'error',
        cache: 'no-store',
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(signal && { signal }),
      })
      reply = await response.json()
    } catch (error) {
      signal?.throwIfAborted()
      throw new UnreachableError('The server could not be reached.', { cause: error })
    }
    if (!response.ok) throw new Refusal(response, (reply as { error?: object } | null)?.error ?? {})
    return reply as Reply
  }

  /** Request a challenge whose encrypted keys only this page can read. Throws what `call` and `KeyReader` throw. */
  async challenge<Challenge extends KeyChallenge>(path: string, body: object): Promise<Challenge> {
    const reader = await KeyReader.create()
    const opened = await this.call<Challenge>('POST', path, { ...body, ephemeralPublicKey: reader.publicKey })
    return reader.readChallenge(opened)
  }

  /** Sign a user action, then send the request it covers. Throws what `challenge` and `sign` throw. */
  async signed<Challenge extends KeyChallenge & { challengeIdentifier: string }, Reply = unknown>(
    method: string,
    path: string,
    body: object,
    sign: (challenge: Challenge) => Promise<SignedFactors>,
  ): Promise<Reply> {
    const { pathname, search } = new URL(this.#url(path), globalThis.location?.href)
    const challenge = await this.challenge<Challenge>('auth/action/init', {
      userActionPayload: JSON.stringify(body),
      userActionHttpMethod: method,
      userActionHttpPath: pathname + search,
      userActionServerKind: 'Api',
    })
    const { challengeIdentifier } = challenge
    const proof = { challengeIdentifier, ...(await sign(challenge)) }
    const { userAction } = await this.call<{ userAction: string }>('POST', 'auth/action', proof)
    return this.call<Reply>(method, path, body, { userAction })
  }
}
