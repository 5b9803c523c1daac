// The official clients in a browser's page, called as `dfns.<verb>(…)`: {"answer": …} or {"error": …}.

import { BaseAuthApi, DfnsApiClient, DfnsAuthenticator, DfnsError } from '@dfns/sdk'
import { BrowserKeySigner, WebAuthnSigner } from '@dfns/sdk-browser'

const baseUrl = location.origin
const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
const signers = {}

function told(error) {
  return {
    name: error instanceof DfnsError ? 'DfnsError' : error.name,
    message: error.message,
    httpStatus: error.httpStatus,
  }
}

const verbs = {
  usePasskeys: ({ signer, relyingParty }) => {
    signers[signer] = new WebAuthnSigner({ relyingParty })
  },
  useKey: async ({ signer, credId }) => {
    const keyPair = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify'])
    signers[signer] = new BrowserKeySigner({ keyPair, credId })
  },
  register: ({ signer, orgId, request }) =>
    new DfnsAuthenticator({ baseUrl, orgId, signer: signers[signer] }).register({ orgId, ...request }),
  login: ({ signer, orgId, request }) =>
    new DfnsAuthenticator({ baseUrl, orgId, signer: signers[signer] }).login({ orgId, ...request }),
  loginTwiceWithOneSignature: async ({ signer, orgId, request }) => {
    const challenge = await BaseAuthApi.createUserLoginChallenge({ orgId, ...request }, { baseUrl })
    const firstFactor = await signers[signer].sign(challenge)
    const answer = { challengeIdentifier: challenge.challengeIdentifier, firstFactor }
    await BaseAuthApi.createUserLogin(answer, { baseUrl })
    return BaseAuthApi.createUserLogin(answer, { baseUrl })
  },
  call: ({ signer, orgId, token, method, request }) =>
    new DfnsApiClient({ baseUrl, orgId, authToken: token, signer: signers[signer] }).auth[method](request),
  create: ({ signer, challenge }) => signers[signer].create(challenge),
}

globalThis.dfns = Object.fromEntries(
  Object.entries(verbs).map(([name, verb]) => [
    name,
    async (asked) => {
      try {
        return { answer: await verb(asked) }
      } catch (error) {
        return { error: told(error) }
      }
    },
  ]),
)
