// One person's session: registers, signs in and signs requests. It needs no page of ours and no framework.

import { Api, type SignedFactors } from './api.js'
import { NoEncryptedKeyError } from './errors.js'
import { getPasskey } from './passkey.js'
import { PasswordProtectedKeySigner } from './signer.js'
import type {
  Fido2Assertion,
  Fido2Attestation,
  PasswordProtectedKeyAssertion,
  RecoveryKeyAttestation,
  RegistrationChallenge,
  SigningChallenge,
} from './wire.js'
import type { Vault } from './vault.js'

/**
 * `orgId`: the organization's id, `or-…`.
 * `baseUrl`: URL or path that precedes `auth/…`; default `/`, the page's own origin.
 * `vault`: where keys are created and decrypted; default `standardVault()`.
 */
export interface SessionOptions {
  orgId: string
  baseUrl?: string | undefined
  vault?: Vault | undefined
}

/** What can be registered along with the password: a passkey, and the recovery key of a kit. */
export interface OtherCredentials {
  secondFactorCredential?: Fido2Attestation | undefined
  recoveryCredential?: RecoveryKeyAttestation | undefined
}

/**
 * Registers a person, signs them in and signs their requests.
 *
 * The token and the decrypted key are in memory only. They are gone after `signOut()`, a reload or the end of the page.
 * Every method throws Refusal and UnreachableError.
 */
export class Session {
  /** Sends requests with the session's token, such as `session.api.call('GET', 'auth/credentials')`. */
  readonly api: Api
  readonly #orgId: string
  readonly #signer: PasswordProtectedKeySigner
  #password = ''
  #token = ''

  constructor({ orgId, baseUrl = '/', vault }: SessionOptions) {
    this.#orgId = orgId
    this.api = new Api(baseUrl, { bearer: () => this.#token })
    this.#signer = new PasswordProtectedKeySigner({ password: () => this.#password, vault })
  }

  /** Whether the person has signed in here. The server may have ended the session since: it then refuses with 401. */
  get signedIn(): boolean {
    return this.#token !== ''
  }

  /** The token for requests that you send yourself, as `Authorization: Bearer …`; empty before signing in. */
  get token(): string {
    return this.#token
  }

  /** Email a login code, if the account exists. The answer is the same if it does not. */
  async requestCode(username: string): Promise<void> {
    await this.api.call('POST', 'auth/login/code', { username, orgId: this.#orgId })
  }

  /**
   * Present an emailed login code. A code works once. The challenge is for `signIn`, and expires after ten minutes.
   * Only this page can read the encrypted keys in it.
   */
  async presentCode(username: string, loginCode: string): Promise<SigningChallenge> {
    return this.api.challenge('auth/login/init', { username, orgId: this.#orgId, loginCode })
  }

  /**
   * Sign in: decrypt the key with the password, and sign the challenge of `presentCode` or `register` with it. Asks for
   * a passkey too if the organization requires it.
   *
   * Throws WrongPasswordError; call again with the same challenge. Also throws DamagedEnvelopeError, NoEncryptedKeyError,
   * VaultError, and what `getPasskey` throws.
   */
  async signIn(challenge: SigningChallenge, password: string): Promise<void> {
    await this.#complete(challenge, await this.#withPassword(password, () => this.#sign(challenge)))
  }

  /** Sign in with any passkey of the organization, without a code. Throws what `getPasskey` throws. */
  async signInWithPasskey(): Promise<void> {
    const challenge = await this.api.call<SigningChallenge>('POST', 'auth/login/init', { orgId: this.#orgId })
    await this.#complete(challenge, { firstFactor: await getPasskey(challenge) })
  }

  /** Email a new registration code to somebody who was invited. The answer is the same for anybody else. */
  async requestRegistrationCode(username: string): Promise<void> {
    await this.api.call('PUT', 'auth/registration/code', { username, orgId: this.#orgId })
  }

  /** Present the code of an invitation. A code works once. The challenge is for `register`. */
  async presentRegistrationCode(username: string, registrationCode: string): Promise<RegistrationChallenge> {
    return this.api.call('POST', 'auth/registration/init', { username, orgId: this.#orgId, registrationCode })
  }

  /**
   * Register: create a key and encrypt it with the password. Check the password first, because the server never sees it.
   * Returns a challenge: pass it to `signIn` with the same password, which needs no other code.
   *
   * `others`: more credentials to register, made from the same challenge. Throws VaultError.
   */
  async register(
    challenge: RegistrationChallenge,
    password: string,
    others: OtherCredentials = {},
  ): Promise<SigningChallenge> {
    const firstFactorCredential = await this.#withPassword(password, () => this.#signer.create(challenge))
    const { loginChallenge } = await this.api.call<{ loginChallenge: SigningChallenge }>(
      'POST',
      'auth/registration',
      { firstFactorCredential, ...others },
      { bearer: challenge.temporaryAuthenticationToken },
    )
    const { credentialInfo, encryptedPrivateKey } = firstFactorCredential
    const created = { type: 'public-key', id: credentialInfo.credId, encryptedPrivateKey } as const
    // the server does not send the key that was just registered
    const allowCredentials = { ...loginChallenge.allowCredentials, passwordProtectedKey: [created] }
    return { ...loginChallenge, allowCredentials }
  }

  /**
   * Sign a user action and send the request, to the API or to a view of yours with `@user_action_required`.
   *
   * `path`: relative to `baseUrl`. Throws what `getPasskey` throws, if the person signed in with a passkey or needs both.
   */
  async signed<Reply = unknown>(method: string, path: string, body: object = {}): Promise<Reply> {
    return this.api.signed<SigningChallenge, Reply>(method, path, body, (challenge) => this.#sign(challenge))
  }

  /** Forget the token and the key, and end the session on the server. */
  async signOut(): Promise<void> {
    const bearer = this.#token
    this.#token = ''
    this.#signer.lock()
    if (bearer) await this.api.call('PUT', 'auth/logout', undefined, { bearer })
  }

  async #withPassword<Result>(password: string, act: () => Promise<Result>): Promise<Result> {
    this.#password = password
    try {
      return await act()
    } finally {
      this.#password = ''
    }
  }

  async #complete({ challengeIdentifier }: SigningChallenge, factors: SignedFactors): Promise<void> {
    const body = { challengeIdentifier, ...factors }
    this.#token = (await this.api.call<{ token: string }>('POST', 'auth/login', body)).token
  }

  async #sign(challenge: SigningChallenge): Promise<SignedFactors> {
    const firstFactor = await this.#first(challenge)
    const takesSecond = challenge.supportedCredentialKinds.some(
      ({ kind, requiresSecondFactor }) => kind === firstFactor.kind && requiresSecondFactor,
    )
    return takesSecond ? { firstFactor, secondFactor: await getPasskey(challenge) } : { firstFactor }
  }

  async #first(challenge: SigningChallenge): Promise<PasswordProtectedKeyAssertion | Fido2Assertion> {
    try {
      return await this.#signer.sign(challenge)
    } catch (error) {
      // a session that a passkey opened gets no encrypted keys
      if (!(error instanceof NoEncryptedKeyError) || challenge.allowCredentials.webauthn.length === 0) throw error
      return getPasskey(challenge)
    }
  }
}
