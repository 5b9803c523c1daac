// The official client with the password-protected key signer of `dfns_login/client`, in Node and in a page alike.

let signer
let asked = 0

/** told: what the signer is to know; the passwords are said one after the other, then the last again. */
export function verbs({ sdk, client, baseUrl }) {
  const { DfnsApiClient, DfnsAuthenticator, BaseAuthApi } = sdk
  const api = (orgId, authToken) => new DfnsApiClient({ baseUrl, orgId, authToken, signer }).auth
  return {
    useSigner: ({ passwords, attempts }) => {
      asked = 0
      const password = () => passwords[Math.min(asked++, passwords.length - 1)]
      signer = new client.PasswordProtectedKeySigner({ password, ...(attempts && { attempts }) })
    },
    timesAsked: () => asked,
    lock: () => signer.lock(),
    register: ({ orgId, request }) => new DfnsAuthenticator({ baseUrl, orgId, signer }).register({ orgId, ...request }),
    registerWithStore: async ({ orgId, request, password }) => {
      const store = new client.PasswordProtectedKeyStore({ password: async () => password })
      const challenge = await BaseAuthApi.createUserRegistrationChallenge({ orgId, ...request }, { baseUrl })
      const body = { firstFactorCredential: await store.create(challenge) }
      return BaseAuthApi.createUserRegistration(body, { baseUrl, authToken: challenge.temporaryAuthenticationToken })
    },
    login: ({ orgId, request }) => new DfnsAuthenticator({ baseUrl, orgId, signer }).login({ orgId, ...request }),
    call: ({ orgId, token, method, request }) => api(orgId, token)[method](request),
  }
}

export async function answer(found, { do: verb, ...told }) {
  try {
    return { answer: (await found[verb](told)) ?? null }
  } catch (error) {
    return { error: { name: error.name, message: error.message, httpStatus: error.httpStatus } }
  }
}
