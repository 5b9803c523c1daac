// Calls the official JavaScript clients as it is told: one JSON request a line in, one JSON answer a line out.
//
//   {"do": "register" | "login" | "call" | "fetch" | "versions" | "sources" | "invoke", …}
//     →  {"answer": …} or {"error": …}, and {"exchanges": …}: method, path and status of each request that was answered

import crypto from 'node:crypto'
import diagnostics from 'node:diagnostics_channel'
import { createRequire } from 'node:module'
import readline from 'node:readline'

import dfns from '@dfns/sdk'
import keysigner from '@dfns/sdk-keysigner'
import utils from '@dfns/sdk/utils/index.js'

const { BaseAuthApi, DfnsApiClient, DfnsAuthenticator, DfnsDelegatedApiClient, DfnsError } = dfns
const { AsymmetricKeySigner } = keysigner
const { simpleFetch, toBase64Url } = utils
const require = createRequire(import.meta.url)

// What an application adds: the key signer of the client signs, but leaves it to others to register a key.
class KeyHolder {
  constructor({ credId, privateKey }) {
    this.credId = credId
    this.privateKey = privateKey
    this.signer = new AsymmetricKeySigner({ credId, privateKey })
  }

  sign(challenge) {
    return this.signer.sign(challenge)
  }

  async create(challenge) {
    const clientData = Buffer.from(JSON.stringify({ type: 'key.create', challenge: challenge.challenge }))
    const publicKey = crypto.createPublicKey(this.privateKey).export({ type: 'spki', format: 'pem' })
    const clientDataHash = crypto.createHash('sha256').update(clientData).digest('hex')
    const fingerprint = Buffer.from(JSON.stringify({ clientDataHash, publicKey }))
    const signature = crypto.sign(undefined, fingerprint, this.privateKey).toString('hex')
    return {
      credentialKind: 'Key',
      credentialInfo: {
        credId: this.credId,
        clientData: toBase64Url(clientData),
        attestationData: toBase64Url(Buffer.from(JSON.stringify({ publicKey, signature }))),
      },
    }
  }
}

// Whatever of a client speaks of authentication, by the name under which it is called.
const surfaces = {
  'DfnsApiClient.auth': (options) => new DfnsApiClient(options).auth,
  'DfnsDelegatedApiClient.auth': (options) => new DfnsDelegatedApiClient(options).auth,
  DfnsAuthenticator: (options) => new DfnsAuthenticator(options),
  BaseAuthApi: () => BaseAuthApi,
}

function methodsOf(surface) {
  const made = surfaces[surface]({})
  const holders = typeof made === 'function' ? [made, made.prototype] : [Object.getPrototypeOf(made)]
  const named = holders.flatMap((each) =>
    Object.getOwnPropertyNames(each).map((name) => [name, Object.getOwnPropertyDescriptor(each, name).value]),
  )
  return Object.fromEntries(
    named.filter(([name, value]) => typeof value === 'function' && name !== 'constructor'),
  )
}

const verbs = {
  sources: () =>
    Object.fromEntries(
      Object.keys(surfaces).map((surface) => [
        surface,
        Object.fromEntries(Object.entries(methodsOf(surface)).map(([name, method]) => [name, method.toString()])),
      ]),
    ),
  invoke: ({ surface, options, key, method, args }) => {
    const withSigner = key ? { ...options, signer: new KeyHolder(key) } : options
    const last = surface === 'BaseAuthApi' ? [withSigner] : []
    return methodsOf(surface)[method].call(surfaces[surface](withSigner), ...args, ...last)
  },
  versions: () => ({
    '@dfns/sdk': require('@dfns/sdk/package.json').version,
    '@dfns/sdk-keysigner': require('@dfns/sdk-keysigner/package.json').version,
  }),
  register: ({ options, key, request }) =>
    new DfnsAuthenticator({ ...options, signer: new KeyHolder(key) }).register(request),
  login: ({ options, key, request }) =>
    new DfnsAuthenticator({ ...options, signer: new KeyHolder(key) }).login(request),
  call: ({ options, method, request }) => new DfnsApiClient(options).auth[method](request),
  fetch: async ({ options, path, method, body }) =>
    (await simpleFetch(path, { method, body, apiOptions: options })).json(),
}

function told(error) {
  return {
    name: error.constructor.name,
    isDfnsError: error instanceof DfnsError,
    message: error.message,
    httpStatus: error.httpStatus,
    body: error.context?.body,
    retryAfter: error.context?.headers?.get?.('retry-after'),
  }
}

let exchanges = []
diagnostics.subscribe('http.client.response.finish', ({ request, response }) => {
  exchanges.push([request.method, request.path, response.statusCode])
})

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { do: verb, ...options } = JSON.parse(line)
  let said
  exchanges = []
  try {
    said = { answer: await verbs[verb](options) }
  } catch (error) {
    said = { error: told(error) }
  }
  process.stdout.write(JSON.stringify({ ...said, exchanges }) + '\n')
}
