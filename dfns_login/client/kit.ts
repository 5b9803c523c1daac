// The recovery kit: a kit key to print, and a recovery key in an age file encrypted with the kit key's secret.

import { base64url, utf8 } from './encoding.js'
import { assertion, attestation } from './key_credential.js'
import { newKitKey, parseKit } from './kit_key.js'
import type { NewKey } from './jobs.js'
import type { Vault } from './vault.js'
import type { KeyAssertion, RecoveryKeyAttestation } from './wire.js'

export { InvalidKitKeyError, parseKit, type KitKey } from './kit_key.js'

/** A recovery kit. `kitKey`: as printed, in groups. With it, only an emailed code is needed to recover the account. */
export interface Kit extends NewKey {
  kitKey: string
  credId: string
}

/** The texts of a kit file, in the person's language, with their line breaks. */
export interface KitText {
  title: string
  /** Username, organization, site and date. */
  owner: string
  /** Precedes the kit key: what it is and how to keep it. */
  kitKey: string
  /** How to recover the account on the site. */
  recover: string
  /** Precedes the passphrase. */
  passphrase: string
  /** Precedes the age file: how to open it without the site. */
  file: string
}

/** Create a recovery key and its kit. Takes as long as any new key. */
export async function newKit(vault: Vault): Promise<Kit> {
  const kitKey = newKitKey()
  const { credId, secret } = parseKit(kitKey)
  return { kitKey, credId, ...(await vault.create(secret)) }
}

/** Build the recovery credential to register. `challenge`: the registration challenge, as text. */
export async function recoveryCredential(kit: Kit, challenge: string): Promise<RecoveryKeyAttestation> {
  return {
    credentialKind: 'RecoveryKey',
    credentialInfo: await attestation(kit.key, kit.publicKey, challenge, kit.credId),
    encryptedPrivateKey: kit.envelope,
  }
}

/**
 * Sign new credentials with the recovery key, for the `recovery` member of the request.
 *
 * `newCredentials`: the object sent as `newCredentials`; the signature covers its JSON text.
 * Source: Dfns API, Recover User.
 */
export function signNewCredentials(
  key: CryptoKey,
  credId: string,
  newCredentials: object,
): Promise<KeyAssertion<'RecoveryKey'>> {
  return assertion('RecoveryKey', key, credId, base64url(utf8(JSON.stringify(newCredentials))))
}

const ENGLISH: Omit<KitText, 'owner'> = {
  title: 'Recovery kit',
  kitKey:
    'Your kit key. If you lose your password, use this key and an emailed code to choose a new one.\n' +
    "Keep it on paper or in a password manager, and don't share it with anyone.",
  recover: 
    'To recover your account, choose "Use your recovery kit" on the sign-in page, then enter the emailed code and\n' +
    'the kit key.',
  passphrase: 'Passphrase of the key file below (it is part of the kit key):',
  file:
    'Key file, in the open age format (https://age-encryption.org). To open it without this site, save the lines\n' +
    'below as kit.age and run: age -d kit.age',
}

/** The texts in English. `owner`: as in `KitText`. */
export function englishKitText(owner: string): KitText {
  return { ...ENGLISH, owner }
}

/** Build the kit's text file, to print or save. It is secret: never send it anywhere. */
export function kitFile(kit: Pick<Kit, 'kitKey' | 'envelope'>, text: KitText): string {
  const { secret } = parseKit(kit.kitKey)
  const paragraphs = [
    text.title,
    text.owner,
    `${text.kitKey}\n\n    ${kit.kitKey}`,
    text.recover,
    `${text.passphrase}\n\n    ${secret}`,
    text.file,
    kit.envelope.trim(),
  ]
  return paragraphs.join('\n\n') + '\n'
}
