// Wire types that the signers read and write.

export interface AllowedCredential {
  type: 'public-key'
  id: string
}

export interface AllowedEncryptedKey extends AllowedCredential {
  encryptedPrivateKey: string
}

/** The part of a login or user action challenge that a password-protected key signs. */
export interface KeyChallenge {
  challenge: string
  allowCredentials: { passwordProtectedKey?: readonly AllowedEncryptedKey[] }
}

/** The part of a challenge that a passkey signs. */
export interface PasskeyChallenge {
  challenge: string
  rp?: { id: string }
  allowCredentials: { webauthn: readonly AllowedCredential[] }
  userVerification: UserVerificationRequirement
}

/** A login or user action challenge. */
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

/** A challenge for a new passkey: of a registration, a recovery, or a new credential. */
export interface CreationChallenge {
  challenge: string
  rp?: { id: string; name: string }
  user: { id: string; name: string; displayName: string }
  attestation: AttestationConveyancePreference
  pubKeyCredParams: readonly { type: 'public-key'; alg: number }[]
  excludeCredentials: readonly AllowedCredential[]
  authenticatorSelection?: AuthenticatorSelectionCriteria
}

/** The challenge of a registration or a recovery. Its token authorizes the one request that completes it. */
export interface RegistrationChallenge extends CreationChallenge {
  temporaryAuthenticationToken: string
}

/** The challenge of a credential that somebody adds while signed in. */
export interface CredentialChallenge extends CreationChallenge {
  challengeIdentifier: string
}

/** Credential kinds that sign the same way. */
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
