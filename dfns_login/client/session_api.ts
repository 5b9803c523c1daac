// Requests with the token of a session, which the server may end at any time.

import { Api, Refusal, type CallOptions } from './api.js'

const PROOF = /^\/*auth\/action$/ // it is also refused if only the signature is wrong

/** Whether the server refused the token, and not something else. Other views than the API's send no code. */
function isAboutToken({ status, code }: Refusal): boolean {
  return status === 401 && (code === 'not_authorized' || code === '')
}

/** `bearer`: the session's token. `refused`: called with that token once the server no longer accepts it. */
export class SessionApi extends Api {
  readonly #bearer: () => string
  readonly #refused: (token: string) => void

  constructor(base: string, bearer: () => string, refused: (token: string) => void) {
    super(base, { bearer })
    this.#bearer = bearer
    this.#refused = refused
  }

  override async call<Reply = unknown>(
    method: string,
    path: string,
    body?: object,
    options: CallOptions = {},
  ): Promise<Reply> {
    const token = this.#bearer()
    try {
      return await super.call<Reply>(method, path, body, options)
    } catch (error) {
      const sent = token !== '' && options.bearer === undefined
      if (sent && !PROOF.test(path) && error instanceof Refusal && isAboutToken(error)) this.#refused(token)
      throw error
    }
  }
}
