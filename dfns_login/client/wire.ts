// Shapes of the wire that the signers read and write.

export interface AllowedCredential {
  type: 'public-key'
  id: string
}

export interface AllowedEncryptedKey extends AllowedCredential {
  encryptedPrivateKey: string
}

/** What a password-protected key signs: a login challenge, or that of a user action. */
export interface KeyChallenge {
  challenge: string
  allowCredentials: { passwordProtectedKey?: readonly AllowedEncryptedKey[] }
}

/** What a passkey signs. */
export interface PasskeyChallenge {
  challenge: string
  rp?: { id: string }
  allowCredentials: { webauthn: readonly AllowedCredential[] }
  userVerification: UserVerificationRequirement
}

/** A whole challenge to sign, of a login or a user action. */
export interface SigningChallenge extends PasskeyChallenge {
  challengeIdentifier: string
  supportedCredentialKinds: readonly {
    kind: string
    factor: 'first' | 'second' | 'either'
    requiresSecondFactor: boolean
  }[]
  allowCredentials: {
    key: readonly AllowedCredential[]
    webauthn: readonly AllowedCredential[]
    passwordProtectedKey?: readonly AllowedEncryptedKey[]
  }
}

/** What a new passkey is made for: the challenge of a registration, of a recovery, or for one more credential. */
export interface CreationChallenge {
  challenge: string
  rp?: { id: string; name: string }
  user: { id: string; name: string; displayName: string }
  attestation: AttestationConveyancePreference
  pubKeyCredParams: readonly { type: 'public-key'; alg: number }[]
  excludeCredentials: readonly AllowedCredential[]
  authenticatorSelection?: AuthenticatorSelectionCriteria
}

/** Kinds that sign alike. */
export type KeyKind = 'Key' | 'PasswordProtectedKey' | 'RecoveryKey'

export interface KeyAssertion<Kind extends KeyKind> {
  kind: Kind
  credentialAssertion: { credId: string; clientData: string; signature: string }
}

export interface KeyAttestation {
  credId: string
  clientData: string
  attestationData: string
}

export type PasswordProtectedKeyAssertion = KeyAssertion<'PasswordProtectedKey'>

export interface PasswordProtectedKeyAttestation {
  credentialKind: 'PasswordProtectedKey'
  credentialInfo: KeyAttestation
  encryptedPrivateKey: string
}

export interface RecoveryKeyAttestation {
  credentialKind: 'RecoveryKey'
  credentialInfo: KeyAttestation
  encryptedPrivateKey: string
}

export interface Fido2Assertion {
  kind: 'Fido2'
  credentialAssertion: {
    credId: string
    clientData: string
    authenticatorData: string
    signature: string
    userHandle?: string
  }
}

export interface Fido2Attestation {
  credentialKind: 'Fido2'
  credentialInfo: { credId: string; clientData: string; attestationData: string; transports?: string[] }
}
