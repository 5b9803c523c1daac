// The public module: of the npm package, and of `signer.js` in Django's static files.

export { Api, Refusal, UnreachableError, type Abortable, type ApiOptions, type CallOptions, type SignedFactors } from './api.js'
export {
  DamagedEnvelopeError,
  InsecureContextError,
  LoginError,
  NoEncryptedKeyError,
  VaultError,
  WrongPasswordError,
} from './errors.js'
export type { NewKey, ReencryptedKey } from './jobs.js'
export { assertion, attestation, newCredentialId } from './key_credential.js'
export { KeyReader } from './key_reader.js'
export {
  englishKitText,
  InvalidKitKeyError,
  kitFile,
  newKit,
  parseKit,
  recoveryCredential,
  signNewCredentials,
  type Kit,
  type KitKey,
  type KitText,
} from './kit.js'
export {
  createPasskey,
  getPasskey,
  passkeyAutofillSupported,
  passkeysSupported,
  type PasskeyOptions,
} from './passkey.js'
export type { RefusalCode } from './refusal_codes.js'
export { Session, type OtherCredentials, type SessionOptions } from './session.js'
export {
  PasswordProtectedKeySigner,
  PasswordProtectedKeyStore,
  type PasswordProtectedKeyOptions,
} from './signer.js'
export { localVault, standardVault, workerVault, type Vault } from './vault.js'
export type * from './wire.js'
