// A login challenge: what may answer it, and handing the answer in.

import { passkeysAreThere } from '../passkey.js'
import type { Fido2Assertion, PasswordProtectedKeyAssertion, SigningChallenge } from '../wire.js'
import { api, page, renewCsrfToken } from './page_data.js'
import { isRefused } from './refusals.js'

export type Factor = PasswordProtectedKeyAssertion | Fido2Assertion

export interface Factors {
  firstFactor: Factor
  secondFactor?: Factor
}

export function hasPassword({ allowCredentials }: SigningChallenge): boolean {
  return (allowCredentials.passwordProtectedKey?.length ?? 0) > 0
}

/** Whether a passkey that this browser can use may answer it. */
export function hasPasskey({ allowCredentials }: SigningChallenge): boolean {
  return passkeysAreThere() && allowCredentials.webauthn.length > 0
}

/** Whether this kind, answering first, is not enough. */
export function needsSecond({ supportedCredentialKinds }: SigningChallenge, kind: Factor['kind']): boolean {
  return supportedCredentialKinds.some((each) => each.kind === kind && each.requiresSecondFactor)
}

/** Sign in. Returns the path to go on to, as the server names it. Throws as `Api.call` does. */
export async function completeLogin({ challengeIdentifier }: SigningChallenge, factors: Factors): Promise<string> {
  const body = { challengeIdentifier, next: page.next, ...factors }
  const send = (): Promise<{ next: string }> => api.call('POST', 'login/complete', body)
  const { next } = await send().catch(async (error: unknown) => {
    if (!isRefused(error, 'csrf')) throw error
    await renewCsrfToken()
    return send()
  })
  return next
}
