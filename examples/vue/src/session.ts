// Requests to dfns_login. The token and the decrypted key stay in this module's memory and end with the page.

import { Api, PasswordProtectedKeySigner, type SigningChallenge } from '@dfns-login/client'

const { VITE_API = '/', VITE_ORGANIZATION: orgId } = import.meta.env
let password = ''
let token = ''
let opened: { code: string; challenge: SigningChallenge } | undefined
const signer = new PasswordProtectedKeySigner({ password: () => password })
const api = new Api(VITE_API, { bearer: () => token })

export async function register(username: string, registrationCode: string, chosen: string): Promise<void> {
  const body = { username, orgId, registrationCode }
  type Reply = { challenge: string; temporaryAuthenticationToken: string }
  const challenge = await api.call<Reply>('POST', 'auth/registration/init', body)
  password = chosen
  const firstFactorCredential = await signer.create(challenge)
  const bearer = challenge.temporaryAuthenticationToken
  await api.call('POST', 'auth/registration', { firstFactorCredential }, { bearer })
}

export async function requestCode(username: string): Promise<void> {
  await api.call('POST', 'auth/login/code', { username, orgId })
}

export async function signIn(username: string, code: string, entered: string): Promise<void> {
  // A code works once. Its challenge stays valid for ten minutes, so a wrong password needs no other code.
  if (opened?.code !== code) {
    const challenge: SigningChallenge = await api.challenge('auth/login/init', { username, orgId, loginCode: code })
    opened = { code, challenge }
  }
  password = entered
  const firstFactor = await signer.sign(opened.challenge)
  const { challengeIdentifier } = opened.challenge
  token = (await api.call<{ token: string }>('POST', 'auth/login', { challengeIdentifier, firstFactor })).token
}

/** A user action: the server requires the key's signature of exactly this request. */
export async function codeForAnotherDevice(): Promise<string> {
  const sign = async (challenge: SigningChallenge) => ({ firstFactor: await signer.sign(challenge) })
  const body = { expiration: new Date(Date.now() + 60_000).toISOString() }
  return (await api.signed<SigningChallenge, { code: string }>('POST', 'auth/credentials/code', body, sign)).code
}
