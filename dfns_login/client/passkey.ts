// Passkeys, as the official WebAuthn signer has them: the challenge is the UTF-8 of its text, and so is the user's id.

import { base64url, fromBase64url, utf8 } from './encoding.js'
import type { AllowedCredential, CreationChallenge, Fido2Assertion, Fido2Attestation, PasskeyChallenge } from './wire.js'

/**
 * conditional: offer passkeys among what the browser fills into the field for the username, and wait for one to be
 * picked; see `passkeysFillIn`. signal: ends the wait.
 */
export interface PasskeyOptions {
  conditional?: boolean
  signal?: AbortSignal
}

/** Whether this browser has passkeys here at all: not on plain HTTP, nor where its authenticators are shut off. */
export function passkeysAreThere(): boolean {
  return typeof PublicKeyCredential !== 'undefined'
}

/** Whether the browser offers passkeys in the field for the username (`autocomplete="username webauthn"`). */
export async function passkeysFillIn(): Promise<boolean> {
  return passkeysAreThere() && ((await PublicKeyCredential.isConditionalMediationAvailable?.()) ?? false)
}

function descriptors(allowed: readonly AllowedCredential[]): PublicKeyCredentialDescriptor[] {
  return allowed.map(({ id, type }) => ({ id: fromBase64url(id), type }))
}

/**
 * Make a passkey. Throws a DOMException: `NotAllowedError` where the person declined, or time ran out;
 * `InvalidStateError` where this authenticator has one of the account already.
 * Source: WebAuthn Level 3 §5.1.3.
 */
export async function createPasskey(
  challenge: CreationChallenge,
  options: Pick<PasskeyOptions, 'signal'> = {},
): Promise<Fido2Attestation> {
  const { user } = challenge
  const made = (await navigator.credentials.create({
    ...options,
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
  const response = made.response as AuthenticatorAttestationResponse
  return {
    credentialKind: 'Fido2',
    credentialInfo: {
      credId: made.id,
      clientData: base64url(response.clientDataJSON),
      attestationData: base64url(response.attestationObject),
      transports: response.getTransports?.() ?? [],
    },
  }
}

/**
 * Answer a challenge with a passkey: one of those that it allows, or, where it names none, any of this site.
 * Throws a DOMException: `NotAllowedError` where the person declined, or has none; `AbortError` after the signal.
 * Source: WebAuthn Level 3 §5.1.4.
 */
export async function getPasskey(challenge: PasskeyChallenge, options: PasskeyOptions = {}): Promise<Fido2Assertion> {
  const { conditional = false, signal } = options
  const found = (await navigator.credentials.get({
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
