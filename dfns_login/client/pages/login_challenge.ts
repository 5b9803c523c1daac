// Login challenges: which credentials can sign them, and completing the login.

import { passkeysSupported } from '../passkey.js'
import type { Fido2Assertion, PasswordProtectedKeyAssertion, SigningChallenge } from '../wire.js'
import { isRefused } from './error_messages.js'
import { api, page, renewPage } from './page_data.js'

export type Factor = PasswordProtectedKeyAssertion | Fido2Assertion

export interface Factors {
  firstFactor: Factor
  secondFactor?: Factor
}

export function hasPassword({ allowCredentials }: SigningChallenge): boolean {
  return (allowCredentials.passwordProtectedKey?.length ?? 0) > 0
}

/** Whether this browser can sign the challenge with a passkey. */
export function hasPasskey({ allowCredentials }: SigningChallenge): boolean {
  return passkeysSupported() && allowCredentials.webauthn.length > 0
}

/** Whether this kind of first factor requires a second one. */
export function needsSecond({ supportedCredentialKinds }: SigningChallenge, kind: Factor['kind']): boolean {
  return supportedCredentialKinds.some((each) => each.kind === kind && each.requiresSecondFactor)
}

/** Complete the login. Returns the path to open next. Throws what `Api.call` throws. */
export async function completeLogin({ challengeIdentifier }: SigningChallenge, factors: Factors): Promise<string> {
  const body = { challengeIdentifier, next: page.next, ...factors }
  const send = (): Promise<{ next: string }> => api.call('POST', 'login/complete', body)
  const { next } = await send().catch(async (error: unknown) => {
    if (!isRefused(error, 'csrf')) throw error
    await renewPage()
    return send()
  })
  return next
}
