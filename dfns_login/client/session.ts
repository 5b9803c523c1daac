// One person's session: registers, signs in and signs requests. It needs no page of ours and no framework.

import { signWithAnyPasskey } from './any_passkey.js'
import type { Abortable, Api, SignedFactors } from './api.js'
import { Factors } from './factors.js'
import type { PasskeyOptions } from './passkey.js'
import { SessionApi } from './session_api.js'
import type {
  CredentialChallenge,
  Fido2Attestation,
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
 * The token and the decrypted key are in memory only. They are gone after `signOut()`, a reload, the end of the page, or
 * a request whose token the server no longer accepts. Every method throws Refusal, UnreachableError and the reason of
 * its `signal`.
 */
export class Session {
  /** Sends requests with the session's token, such as `session.api.call('GET', 'auth/credentials')`. */
  readonly api: Api
  readonly #orgId: string
  readonly #factors: Factors
  readonly #listeners = new Set<() => void>()
  #token = ''
  #signOuts = 0

  constructor({ orgId, baseUrl = '/', vault }: SessionOptions) {
    if (!orgId) throw new TypeError("A Session needs the organization's id as orgId, such as or-….")
    this.#orgId = orgId
    this.api = new SessionApi(baseUrl, () => this.#token, (token) => this.#forget(token))
    this.#factors = new Factors(vault)
  }

  /** Whether the person has signed in here, and no request has been refused since because the session ended. */
  get signedIn(): boolean {
    return this.#token !== ''
  }

  /** The token for requests that you send yourself, as `Authorization: Bearer …`; empty before signing in. */
  get token(): string {
    return this.#token
  }

  /**
   * Call the listener when `signedIn` changes: after signing in or out, and when the server has ended the session.
   * Returns a function that stops it. It needs no `this`: `useSyncExternalStore(session.subscribe, …)`.
   */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Email a login code, if the account exists. The answer is the same if it does not. */
  async requestCode(username: string, options: Abortable = {}): Promise<void> {
    await this.api.call('POST', 'auth/login/code', { username, orgId: this.#orgId }, options)
  }

  /**
   * Present an emailed login code. A code works once. The challenge is for `signIn`, and expires after ten minutes.
   * Only this page can read the encrypted keys in it.
   */
  async presentCode(username: string, loginCode: string, options: Abortable = {}): Promise<SigningChallenge> {
    return this.api.challenge('auth/login/init', { username, orgId: this.#orgId, loginCode }, options)
  }

  /**
   * Sign in: decrypt the key with the password, and sign the challenge of `presentCode` or `register` with it. Asks for
   * a passkey too if the organization requires it.
   *
   * Throws WrongPasswordError; call again with the same challenge. Also throws DamagedEnvelopeError, NoEncryptedKeyError,
   * VaultError, and what `getPasskey` throws. After `signOut` it throws VaultError or a DOMException, `AbortError`.
   */
  async signIn(challenge: SigningChallenge, password: string, options: Abortable = {}): Promise<void> {
    const { challengeIdentifier } = challenge
    try {
      await this.#complete(async () => {
        return { challengeIdentifier, ...(await this.#factors.signWithPassword(challenge, password, options)) }
      }, options)
    } catch (error) {
      if (!this.signedIn) this.#factors.lock() // or the next try would succeed with any password
      throw error
    }
  }

  /**
   * Sign in with any passkey of the organization, without a code. `conditional`: offer them in the autofill of the
   * username field until `signal` or another request for a passkey. Throws what `getPasskey` throws.
   */
  async signInWithPasskey(options: PasskeyOptions = {}): Promise<void> {
    const { conditional } = options
    const signal = this.#factors.takeTurn(options.signal)
    const open = (): Promise<SigningChallenge> => this.api.call('POST', 'auth/login/init', { orgId: this.#orgId }, { signal })
    await this.#complete(async () => {
      const { challenge, firstFactor } = await signWithAnyPasskey(open, { conditional, signal })
      return { challengeIdentifier: challenge.challengeIdentifier, firstFactor }
    }, options)
  }

  /** Email a new registration code to somebody who was invited. The answer is the same for anybody else. */
  async requestRegistrationCode(username: string, options: Abortable = {}): Promise<void> {
    await this.api.call('PUT', 'auth/registration/code', { username, orgId: this.#orgId }, options)
  }

  /** Present the code of an invitation. A code works once. The challenge is for `register`. */
  async presentRegistrationCode(
    username: string,
    registrationCode: string,
    options: Abortable = {},
  ): Promise<RegistrationChallenge> {
    return this.api.call('POST', 'auth/registration/init', { username, orgId: this.#orgId, registrationCode }, options)
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
    options: Abortable = {},
  ): Promise<SigningChallenge> {
    const firstFactorCredential = await this.#factors.createKey(challenge, password)
    options.signal?.throwIfAborted()
    const { loginChallenge } = await this.api.call<{ loginChallenge: SigningChallenge }>(
      'POST',
      'auth/registration',
      { firstFactorCredential, ...others },
      { ...options, bearer: challenge.temporaryAuthenticationToken },
    )
    const { credentialInfo, encryptedPrivateKey } = firstFactorCredential
    const created = { type: 'public-key', id: credentialInfo.credId, encryptedPrivateKey } as const
    // the server does not send the key that was just registered
    const allowCredentials = { ...loginChallenge.allowCredentials, passwordProtectedKey: [created] }
    return { ...loginChallenge, allowCredentials }
  }

  /** Add a passkey to the account of the person, who has signed in. Throws what `createPasskey` and `signed` throw. */
  async addPasskey(credentialName?: string, options: Abortable = {}): Promise<void> {
    const asked = { kind: 'Fido2' }
    const challenge = await this.api.call<CredentialChallenge>('POST', 'auth/credentials/init', asked, options)
    const credential = await this.#factors.createPasskey(challenge, options)
    const { challengeIdentifier } = challenge
    await this.signed('POST', 'auth/credentials', { challengeIdentifier, credentialName, ...credential }, options)
  }

  /**
   * Sign a user action and send the request, to the API or to a view of yours with `@user_action_required`.
   *
   * `path`: relative to `baseUrl`. Throws what `getPasskey` throws, if the person signed in with a passkey or needs both.
   */
  async signed<Reply = unknown>(
    method: string,
    path: string,
    body: object = {},
    options: Abortable = {},
  ): Promise<Reply> {
    const sign = (challenge: SigningChallenge): Promise<SignedFactors> => this.#factors.sign(challenge, options)
    return this.api.signed<SigningChallenge, Reply>(method, path, body, sign, options)
  }

  /** Forget the token and the key at once, and end the session on the server. */
  async signOut(): Promise<void> {
    this.#signOuts++
    this.#factors.takeTurn() // ends requests for a passkey
    const bearer = this.#token
    this.#forget(bearer)
    if (bearer) await this.#end(bearer)
  }

  async #end(bearer: string): Promise<void> {
    await this.api.call('PUT', 'auth/logout', undefined, { bearer })
  }

  /** Forget the session, unless another one has begun since. */
  #forget(token: string): void {
    if (token !== this.#token) return
    this.#factors.lock()
    this.#setToken('')
  }

  #setToken(token: string): void {
    const changes = (token !== '') !== this.signedIn
    this.#token = token
    if (changes) for (const listener of [...this.#listeners]) this.#notify(listener)
  }

  /** Call the listener. If it throws, the error is reported as uncaught, and the session goes on. */
  #notify(listener: () => void): void {
    try {
      listener()
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }

  async #complete(sign: () => Promise<object>, { signal }: Abortable): Promise<void> {
    const before = this.#signOuts
    const body = await sign()
    signal?.throwIfAborted()
    // without the token of an earlier session, which a refusal would say nothing about
    const { token } = await this.api.call<{ token: string }>('POST', 'auth/login', body, { bearer: '', signal })
    if (before === this.#signOuts) {
      this.#factors.takeTurn() // nothing is offered to somebody who has signed in
      return this.#setToken(token)
    }
    await this.#end(token)
    throw new DOMException('The person signed out.', 'AbortError')
  }
}
