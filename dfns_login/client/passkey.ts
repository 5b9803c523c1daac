// Passkeys, encoded like the official WebAuthn signer: challenge and user id are the UTF-8 bytes of their text.

import { base64url, fromBase64url, utf8 } from './encoding.js'
import type { AllowedCredential, CreationChallenge, Fido2Assertion, Fido2Attestation, PasskeyChallenge } from './wire.js'

/**
 * `conditional`: offer passkeys in the autofill of the username field and wait for a choice; see
 * `passkeyAutofillSupported`. `signal`: cancels the request.
 */
export interface PasskeyOptions {
  conditional?: boolean | undefined
  signal?: AbortSignal | undefined
}

/** Whether passkeys are available. They are not on plain HTTP, or when the browser disables authenticators. */
export function passkeysSupported(): boolean {
  return typeof PublicKeyCredential !== 'undefined'
}

/** Whether the browser offers passkeys in the username field (`autocomplete="username webauthn"`). */
export async function passkeyAutofillSupported(): Promise<boolean> {
  return passkeysSupported() && ((await PublicKeyCredential.isConditionalMediationAvailable?.()) ?? false)
}

function credentials(): CredentialsContainer {
  if (passkeysSupported()) return navigator.credentials
  throw new DOMException('There are no passkeys here. Pages need HTTPS, or localhost.', 'NotSupportedError')
}

function descriptors(allowed: readonly AllowedCredential[]): PublicKeyCredentialDescriptor[] {
  return allowed.map(({ id, type }) => ({ id: fromBase64url(id), type }))
}

/**
 * Create a passkey. Throws a DOMException: `NotAllowedError` if the person declined or the request timed out;
 * `InvalidStateError` if this authenticator already has a passkey for the account; `NotSupportedError` if there are no
 * passkeys here; `AbortError` after the signal.
 * Source: WebAuthn Level 3 §5.1.3.
 */
export async function createPasskey(
  challenge: CreationChallenge,
  { signal }: Pick<PasskeyOptions, 'signal'> = {},
): Promise<Fido2Attestation> {
  const { user } = challenge
  const created = (await credentials().create({
    ...(signal && { signal }),
    publicKey: {
      challenge: utf8(challenge.challenge),
      rp: challenge.rp ?? { name: location.hostname },
      user: { id: utf8(user.id), name: user.name, displayName: user.displayName },
      attestation: challenge.attestation,
      pubKeyCredParams: [...challenge.pubKeyCredParams],
      excludeCredentials: descriptors(challenge.excludeCredentials),
      ...(challenge.authenticatorSelection && { authenticatorSelection: challenge.authenticatorSelection }),
    },
  })) as PublicKeyCredential
  const response = created.response as AuthenticatorAttestationResponse
  return {
    credentialKind: 'Fido2',
    credentialInfo: {
      credId: created.id,
      clientData: base64url(response.clientDataJSON),
      attestationData: base64url(response.attestationObject),
      transports: response.getTransports?.() ?? [],
    },
  }
}

/**
 * Sign a challenge with one of the passkeys it allows, or with any passkey for this site if it names none.
 * Throws a DOMException: `NotAllowedError` if the person declined or has no passkey; `NotSupportedError` if there
 * are no passkeys here; `AbortError` after the signal.
 * Source: WebAuthn Level 3 §5.1.4.
 */
export async function getPasskey(challenge: PasskeyChallenge, options: PasskeyOptions = {}): Promise<Fido2Assertion> {
  const { conditional = false, signal } = options
  const found = (await credentials().get({
    ...(conditional && { mediation: 'conditional' as const }),
    ...(signal && { signal }),
    publicKey: {
      challenge: utf8(challenge.challenge),
      allowCredentials: conditional ? [] : descriptors(challenge.allowCredentials.webauthn),
      userVerification: challenge.userVerification,
      ...(challenge.rp && { rpId: challenge.rp.id }),
    },
  })) as PublicKeyCredential
  const response = found.response as AuthenticatorAssertionResponse
  return {
    kind: 'Fido2',
    credentialAssertion: {
      credId: found.id,
      clientData: base64url(response.clientDataJSON),
      authenticatorData: base64url(response.authenticatorData),
      signature: base64url(response.signature),
      ...(response.userHandle && { userHandle: base64url(response.userHandle) }),
    },
  }
}
