// The recovery kit: a kit key on paper, and the recovery key in an age file that the kit key's secret opens.

import { base64url, utf8 } from './encoding.js'
import { assertion, attestation } from './key_credential.js'
import { newKitKey, parseKit } from './kit_key.js'
import type { NewKey, Vault } from './vault.js'
import type { KeyAssertion, RecoveryKeyAttestation } from './wire.js'

export { KitMistypedError, parseKit, type KitKey } from './kit_key.js'

/** A recovery kit. kitKey: in groups, as it is printed; whoever has it needs but a mailed code more. */
export interface Kit extends NewKey {
  kitKey: string
  credId: string
}

/** The sentences of a kit's file, in the language of whoever keeps it. Of each, lines end where the text says so. */
export interface KitText {
  title: string
  /** Whose kit it is: name, organization, site and day. */
  owner: string
  /** Stands before the kit key: what it is, and how to keep it. */
  kitKey: string
  /** How to recover on the site. */
  recover: string
  /** Stands before the passphrase. */
  passphrase: string
  /** Stands before the age file: how to open it without the site. */
  file: string
}

/** Make a recovery key and the kit that opens it; takes as long as any new key. */
export async function newKit(vault: Vault): Promise<Kit> {
  const kitKey = newKitKey()
  const { credId, secret } = parseKit(kitKey)
  return { kitKey, credId, ...(await vault.create(secret)) }
}

/** The recovery key as a credential to register. challenge: that of the registration, as text. */
export async function recoveryCredential(kit: Kit, challenge: string): Promise<RecoveryKeyAttestation> {
  return {
    credentialKind: 'RecoveryKey',
    credentialInfo: await attestation(kit.key, kit.publicKey, challenge, kit.credId),
    encryptedPrivateKey: kit.envelope,
  }
}

/**
 * Sign new credentials with the recovery key: `recovery` of the body that sends them.
 *
 * newCredentials: the very value that is sent as `newCredentials`; its JSON text is what is signed.
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
    'Your kit key. With it, and a code that is mailed to you, you get back in when the password is lost.\n' +
    'Keep it on paper or in a password manager, and show it to nobody.',
  recover: 'To recover: open the sign-in page, choose to recover, and enter the mailed code and the kit key.',
  passphrase: 'Passphrase of the key file below; it is part of the kit key:',
  file:
    'The key file, of the public format age (https://age-encryption.org). To open it without the site, save the lines\n' +
    'below as kit.age and run:  age -d kit.age',
}

/** The sentences in English. owner: as in `KitText`. */
export function englishKitText(owner: string): KitText {
  return { ...ENGLISH, owner }
}

/** The kit as a text file, to be printed or kept. It is a secret: it never leaves its owner's machine. */
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
