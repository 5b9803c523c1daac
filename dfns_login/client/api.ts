// Requests to the API: by the pages with a session in a cookie, or by other front ends with a token.

import { LoginError } from './errors.js'
import { KeyReader } from './key_reader.js'
import type { RefusalCode } from './refusal_codes.js'
import type { KeyChallenge } from './wire.js'

/**
 * The server refused. `message`: for people, in the server's language. `code`: the reason, for programs; another text or
 * none if a view of yours refused. `details`: what is wrong with the body, by field. `retryAfter`: seconds, if the server
 * sent it. `body`: all that it answered, such as the errors of a view of yours.
 */
export class Refusal extends LoginError {
  override name = 'Refusal'
  readonly status: number
  readonly code: RefusalCode | (string & {})
  readonly details: Readonly<Record<string, unknown>>
  readonly retryAfter: number | null
  readonly body: unknown

  constructor(response: Response, body: object) {
    type Envelope = { error?: { message?: string; code?: string; details?: Record<string, unknown> } | null }
    const error = (body as Envelope).error ?? {}
    super(error.message ?? `The server answered ${response.status}.`)
    this.status = response.status
    this.code = error.code ?? ''
    this.details = error.details ?? {}
    this.body = body
    const seconds = Number.parseInt(response.headers.get('Retry-After') ?? '', 10)
    this.retryAfter = Number.isNaN(seconds) ? null : seconds
  }
}

/**
 * No response, or one that is not from the API. `status`: of the response, if there was one. If it is 200 or 404, the base
 * URL may be wrong; if it is 502 to 504, the server is down.
 */
export class UnreachableError extends LoginError {
  override name = 'UnreachableError'
  readonly status: number | null

  constructor(message: string, options: ErrorOptions & { status?: number } = {}) {
    super(message, options)
    this.status = options.status ?? null
  }
}

/** The JSON of a response; undefined if its body is empty. The parser's own error would quote the body. */
function parsed(text: string, status: number): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text)
  } catch {
    throw new UnreachableError(`The server answered ${status} without JSON. Try again, or check the URL of the API.`, { status })
  }
}

/** `signal`: cancels the request. */
export interface Abortable {
  signal?: AbortSignal | undefined
}

/** `bearer`: another token than that of the session. `userAction`: token of a signed user action. */
export interface CallOptions extends Abortable {
  bearer?: string | undefined
  userAction?: string | undefined
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
  bearer?: (() => string) | undefined
  csrfToken?: (() => string) | undefined
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

  /**
   * Send a request. `path`: relative to the base. Returns the JSON of the response; undefined if it is empty. Throws
   * Refusal, UnreachableError, or the signal's reason.
   */
  async call<Reply = unknown>(method: string, path: string, body?: object, options: CallOptions = {}): Promise<Reply> {
    const { bearer = this.#options.bearer?.(), userAction, signal } = options
    const csrfToken = this.#options.csrfToken?.()
    const headers = new Headers({ Accept: 'application/json' })
    if (csrfToken) headers.set('X-CSRFToken', csrfToken)
    if (body !== undefined) headers.set('Content-Type', 'application/json')
    if (bearer) headers.set('Authorization', `Bearer ${bearer}`)
    if (userAction !== undefined) headers.set('X-DFNS-USERACTION', userAction)
    let response: Response
    let text: string
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
      text = await response.text()
    } catch (error) {
      signal?.throwIfAborted()
      throw new UnreachableError('The server could not be reached. Check the connection and try again.', { cause: error })
    }
    const { ok, status } = response
    const reply = parsed(text, status)
    if (ok) return reply as Reply
    if (typeof reply === 'object' && reply !== null) throw new Refusal(response, reply)
    throw new UnreachableError(`The server answered ${status}. Try again, or check the URL of the API.`, { status })
  }

  /** Request a challenge whose encrypted keys only this page can read. Throws what `call` and `KeyReader` throw. */
  async challenge<Challenge extends KeyChallenge>(
    path: string,
    body: object,
    options: CallOptions = {},
  ): Promise<Challenge> {
    const reader = await KeyReader.create()
    const opened = await this.call<Challenge>('POST', path, { ...body, ephemeralPublicKey: reader.publicKey }, options)
    return reader.readChallenge(opened)
  }

  /** Sign a user action, then send the request it covers. Throws what `challenge` and `sign` throw. */
  async signed<Challenge extends KeyChallenge & { challengeIdentifier: string }, Reply = unknown>(
    method: string,
    path: string,
    body: object,
    sign: (challenge: Challenge) => Promise<SignedFactors>,
    options: CallOptions = {},
  ): Promise<Reply> {
    const { pathname, search } = new URL(this.#url(path), globalThis.location?.href)
    const action = {
      userActionPayload: JSON.stringify(body),
      userActionHttpMethod: method,
      userActionHttpPath: pathname + search,
      userActionServerKind: 'Api',
    }
    const challenge = await this.challenge<Challenge>('auth/action/init', action, options)
    const { challengeIdentifier } = challenge
    const proof = { challengeIdentifier, ...(await sign(challenge)) }
    const { userAction } = await this.call<{ userAction: string }>('POST', 'auth/action', proof, options)
    return this.call<Reply>(method, path, body, { ...options, userAction })
  }
}
