// What the tests ask of the client in `dfns_login/client`: `answer(client, {do: <verb>, …})` is {"answer": …} or
// {"error": …}. client: its module, or one with more of it. Keys stay here, under a handle.

const keys = new Map()

function kept(key) {
  const handle = `key-${keys.size}`
  keys.set(handle, key)
  return handle
}

function fromHex(text) {
  return Uint8Array.from(text.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16))
}

async function thrownBy(action) {
  try {
    await action()
  } catch (error) {
    return error.name
  }
  return null
}

let standard

function vault(client) {
  standard ??= client.standardVault()
  return standard
}

const verbs = {
  create: async (client, { password }) => {
    const { key, ...made } = await vault(client).create(password)
    return { ...made, handle: kept(key) }
  },
  open: async (client, { envelope, password }) => kept(await vault(client).open(envelope, password)),
  reencrypt: async (client, { envelope, oldPassword, newPassword }) => {
    const { key, ...made } = await vault(client).reencrypt(envelope, oldPassword, newPassword)
    return { ...made, handle: kept(key) }
  },
  openAndClose: async (client, { envelope, password }) => {
    const opening = vault(client).open(envelope, password)
    vault(client).close()
    return kept(await opening)
  },
  newReader: async (client) => {
    const reader = await client.KeyReader.create()
    return { handle: kept(reader), publicKey: reader.publicKey }
  },
  readKey: (_, { handle, credId, text }) => keys.get(handle).read(credId, text),
  readChallenge: (_, { handle, challenge }) => keys.get(handle).readChallenge(challenge),
  exportKey: (_, { handle, format }) => thrownBy(() => crypto.subtle.exportKey(format, keys.get(handle))),
  keyIs: (_, { handle }) => {
    const { type, extractable, usages, algorithm } = keys.get(handle)
    return { type, extractable, usages, algorithm }
  },
  assertions: (client, { kind, handle, credId, challenges }) =>
    Promise.all(challenges.map((challenge) => client.assertion(kind, keys.get(handle), credId, challenge))),
  attestation: (client, { handle, publicKey, challenge, credId }) =>
    client.attestation(keys.get(handle), publicKey, challenge, credId),
  newKit: async (client) => {
    const { key, ...kit } = await client.newKit(vault(client))
    return { ...kit, handle: kept(key) }
  },
  recoveryCredential: (client, { kit, challenge }) =>
    client.recoveryCredential({ ...kit, key: keys.get(kit.handle) }, challenge),
  signNewCredentials: (client, { handle, credId, newCredentials }) =>
    client.signNewCredentials(keys.get(handle), credId, newCredentials),
  kitFile: (client, { kit, owner }) => client.kitFile(kit, client.englishKitText(owner)),
  parseKits: (client, { texts }) =>
    texts.map((text) => {
      try {
        return client.parseKit(text)
      } catch (error) {
        return { error: error.name, problem: error.problem }
      }
    }),
  createPasskey: (client, { challenge }) => client.createPasskey(challenge),
  getPasskey: (client, { challenge, options }) => client.getPasskey(challenge, options),
  passkeys: async (client) => [client.passkeysSupported(), await client.passkeyAutofillSupported()],
  // of the modules beyond the public one
  newKitKeys: (client, { count }) => Array.from({ length: count }, () => client.newKitKey()),
  derSignatures: (client, { raws }) => raws.map((raw) => client.hex(client.derSignature(fromHex(raw).buffer))),
  encodings: (client, { bytes }) => {
    const data = fromHex(bytes)
    const text = client.base64url(data)
    const block = client.pem('PRIVATE KEY', data.buffer)
    return [text, client.hex(client.fromBase64url(text)), block, client.hex(client.fromPem('PRIVATE KEY', block))]
  },
  strengths: (client, { passwords, userInputs, lists }) =>
    passwords.map((password) => client.strength(password, userInputs, lists)),
}

export async function answer(client, { do: verb, ...asked }) {
  try {
    return { answer: await verbs[verb](client, asked) }
  } catch (error) {
    return { error: { name: error.name, message: error.message } }
  }
}
