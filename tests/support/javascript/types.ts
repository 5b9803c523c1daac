// Type-checked, never run: the signer and the store are what the official client asks for.

import { DfnsApiClient, DfnsAuthenticator } from '@dfns/sdk'
import type { CredentialSigner, FirstFactorAssertion } from '@dfns/sdk/signer'
import type { CredentialStore, FirstFactorAttestation } from '@dfns/sdk/store'

import {
  PasswordProtectedKeySigner,
  PasswordProtectedKeyStore,
  type PasswordProtectedKeyAssertion,
} from '../../../build/client/types/index.js'

declare const baseUrl: string
declare const ask: () => Promise<string>

export class Signer
  extends PasswordProtectedKeySigner<FirstFactorAssertion, FirstFactorAttestation>
  implements CredentialSigner, CredentialStore {}

export class Store extends PasswordProtectedKeyStore<FirstFactorAttestation> implements CredentialStore {}

// where it is asked for, it is understood
export const authenticator = new DfnsAuthenticator({ baseUrl, signer: new PasswordProtectedKeySigner({ password: ask }) })

const signer = new PasswordProtectedKeySigner<FirstFactorAssertion, FirstFactorAttestation>({ password: ask })
export const another = new DfnsAuthenticator({ baseUrl, signer })
export const api = new DfnsApiClient({ baseUrl, authToken: '', signer })

// of itself it says what it makes, which the official types lack
const plain = new PasswordProtectedKeySigner({ password: () => '' })
export const made: Promise<PasswordProtectedKeyAssertion> = plain.sign({ challenge: '', allowCredentials: {} })
// @ts-expect-error: once the official types have the kind, the type parameters can go
export const refused = new DfnsAuthenticator({ baseUrl, signer: plain })
