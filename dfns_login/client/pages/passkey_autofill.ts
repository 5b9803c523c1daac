// Passkeys in the autofill of the email field: one request that waits until the person chooses a passkey.

import { getPasskey, passkeyAutofillSupported } from '../passkey.js'
import type { Fido2Assertion, SigningChallenge } from '../wire.js'
import { page, passkeyChallenge, renewPage } from './page_data.js'

export class PasskeyAutofill {
  readonly #chosen: (challenge: SigningChallenge, factor: Fido2Assertion) => Promise<boolean>
  #waiting: AbortController | undefined

  /** `chosen`: called with the signed challenge. Returns whether that had expired, as it does while a computer sleeps. */
  constructor(chosen: (challenge: SigningChallenge, factor: Fido2Assertion) => Promise<boolean>) {
    this.#chosen = chosen
  }

  /** Offer passkeys, unless they are offered already, or the page has no challenge for them. */
  async start(): Promise<void> {
    if (this.#waiting) return
    const waiting = (this.#waiting = new AbortController())
    try {
      const challenge = (await passkeyAutofillSupported()) ? passkeyChallenge() : null
      if (challenge && !waiting.signal.aborted) await this.#offer(challenge, waiting)
    } catch {
      // aborted, or the browser refused: the button remains
    } finally {
      if (this.#waiting === waiting) this.#waiting = undefined
    }
  }

  /** Call this before another request for a passkey: there can be only one. */
  stop(): void {
    this.#waiting?.abort()
    this.#waiting = undefined
  }

  async #offer(challenge: SigningChallenge, { signal }: AbortController): Promise<void> {
    const timer = window.setTimeout(() => void this.#renew(), page.passkeyLifetime / 2)
    try {
      const factor = await getPasskey(challenge, { conditional: true, signal })
      if (!signal.aborted && (await this.#chosen(challenge, factor))) await this.#renew()
    } finally {
      window.clearTimeout(timer)
    }
  }

  /** Stop once the browser is signed in: each request would keep that session from ending when it is idle. */
  async #renew(): Promise<void> {
    const isSignedOut = await renewPage().catch(() => true) // offline: the old challenge may still do
    if (!this.#waiting) return
    this.stop()
    if (isSignedOut) await this.start()
  }
}
