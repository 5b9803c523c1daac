// Sign in after a registration or a recovery, with the key that is still open: no other code, no password again.

import { assertion } from '../key_credential.js'
import { getPasskey } from '../passkey.js'
import type { PasswordProtectedKeyAssertion, PasswordProtectedKeyAttestation, SigningChallenge } from '../wire.js'
import type { BusyGuard } from './busy_guard.js'
import { completeLogin, needsSecond } from './login_challenge.js'

/** A key that was just created, and how it was registered. */
export interface CreatedKey {
  key: CryptoKey
  credential: PasswordProtectedKeyAttestation
}

/** A failure is not reported: the sign-in page remains. */
async function completed(...login: Parameters<typeof completeLogin>): Promise<string | undefined> {
  return completeLogin(...login).catch(() => undefined)
}

export class FirstLogin {
  /** Path to open next, once the person is signed in. */
  next: string | undefined
  #halfSigned: { challenge: SigningChallenge; firstFactor: PasswordProtectedKeyAssertion } | undefined

  /** Whether a passkey is needed too. Its request needs a click, so it waits for `addPasskey`. */
  get needsPasskey(): boolean {
    return this.#halfSigned !== undefined
  }

  async sign(challenge: SigningChallenge, { key, credential }: CreatedKey): Promise<void> {
    const { credId } = credential.credentialInfo
    const firstFactor = await assertion('PasswordProtectedKey', key, credId, challenge.challenge)
    if (needsSecond(challenge, 'PasswordProtectedKey')) this.#halfSigned = { challenge, firstFactor }
    else this.next = await completed(challenge, { firstFactor })
  }

  /** Ask for the passkey. If it was declined, `needsPasskey` is still true. */
  async addPasskey(guard: BusyGuard): Promise<void> {
    const half = this.#halfSigned
    if (!half) return
    await guard.run('passkey.waiting', async () => {
      const secondFactor = await getPasskey(half.challenge)
      this.#halfSigned = undefined
      this.next = await completed(half.challenge, { firstFactor: half.firstFactor, secondFactor })
    })
  }
}
