// Requests to the API, from a page of its own origin.

/** What the server refused. code: what to tell apart. retryAfter: seconds, where it says so. */
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

/** Nobody answered, or not this server. */
export class UnreachableError extends Error {
  override name = 'UnreachableError'
}

/** csrfToken: for what a session's cookie may do. bearer: a temporary token. userAction: from `signed`. */
export interface CallOptions {
  bearer?: string
  userAction?: string
  signal?: AbortSignal
}

export interface SignedFactors {
  firstFactor: object
  secondFactor?: object
}

/** base: path under which `auth/…` lies, with its last slash. csrfToken: read at each call. */
export class Api {
  readonly #base: string
  readonly #csrfToken: () => string

  constructor(base: string, csrfToken: () => string) {
    this.#base = base
    this.#csrfToken = csrfToken
  }

  /**
   * One request. path: under the base, without a slash before it. Throws Refusal or UnreachableError, and
   * the signal's reason.
   */
  async call<Answer = unknown>(method: string, path: string, body?: object, options: CallOptions = {}): Promise<Answer> {
    const { bearer, userAction, signal } = options
    const headers = new Headers({ Accept: 'application/json', 'X-CSRFToken': this.#csrfToken() })
    if (body !== undefined) headers.set('Content-Type', 'application/json')
    if (bearer !== undefined) headers.set('Authorization', `Bearer ${bearer}`)
    if (userAction !== undefined) headers.set('X-DFNS-USERACTION', userAction)
    let response: Response
    let answer: unknown
    try {
      response = await fetch(this.#base + path, {
        method,
        headers,
        credentials: 'same-origin',
        redirect: 'error',
        cache: 'no-store',
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(signal && { signal }),
      })
      answer = await response.json()
    } catch (error) {
      signal?.throwIfAborted()
      throw new UnreachableError('The server does not answer.', { cause: error })
    }
    if (!response.ok) throw new Refusal(response, (answer as { error?: object } | null)?.error ?? {})
    return answer as Answer
  }

  /** One request that a user action covers. sign: answers its challenge, by password or passkey. Throws as `call`. */
  async signed<Challenge extends { challengeIdentifier: string }, Answer = unknown>(
    method: string,
    path: string,
    body: object,
    sign: (challenge: Challenge) => Promise<SignedFactors>,
  ): Promise<Answer> {
    const challenge = await this.call<Challenge>('POST', 'auth/action/init', {
      userActionPayload: JSON.stringify(body),
      userActionHttpMethod: method,
      userActionHttpPath: this.#base + path,
      userActionServerKind: 'Api',
    })
    const { challengeIdentifier } = challenge
    const proof = { challengeIdentifier, ...(await sign(challenge)) }
    const { userAction } = await this.call<{ userAction: string }>('POST', 'auth/action', proof)
    return this.call<Answer>(method, path, body, { userAction })
  }
}
