// Sign in with any passkey of an organization: at once, or when the person chooses one in the autofill.

import { getPasskey } from './passkey.js'
import type { Fido2Assertion, SigningChallenge } from './wire.js'

const RENEWAL = 4 * 60_000 // milliseconds: challenges live for five minutes at least

export interface SignedChallenge {
  challenge: SigningChallenge
  firstFactor: Fido2Assertion
}

/**
 * Sign a challenge with any passkey. An offer in the autofill gets a new challenge before the last one expires.
 *
 * `open`: requests a challenge. Throws what it and `getPasskey` throw, and the signal's reason.
 */
export async function signWithAnyPasskey(
  open: () => Promise<SigningChallenge>,
  { conditional = false, signal }: { conditional?: boolean | undefined; signal: AbortSignal },
): Promise<SignedChallenge> {
  for (;;) {
    const challenge = await open()
    signal.throwIfAborted()
    const request = new AbortController()
    const end = (): void => request.abort(signal.reason)
    signal.addEventListener('abort', end)
    const renewal = conditional ? setTimeout(() => request.abort(), RENEWAL) : undefined
    try {
      return { challenge, firstFactor: await getPasskey(challenge, { conditional, signal: request.signal }) }
    } catch (error) {
      if (signal.aborted || !request.signal.aborted) throw error
    } finally {
      clearTimeout(renewal)
      signal.removeEventListener('abort', end)
    }
  }
}
