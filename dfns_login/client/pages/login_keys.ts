// What only a login with a password needs. A script of its own, which loads while the person types.

import { PasswordProtectedKeySigner } from '../signer.js'
import { workerVault } from '../vault.js'
import type { PasswordProtectedKeyAssertion, SigningChallenge } from '../wire.js'

export interface LoginKeys {
  /** Start the worker, while the password is typed. */
  prepare(): void
  /** Throws what `PasswordProtectedKeySigner.sign` throws, of classes of this script's own: tell them apart by `name`. */
  sign(challenge: SigningChallenge): Promise<PasswordProtectedKeyAssertion>
  lock(): void
}

export function loginKeys(workerUrl: string, password: () => string): LoginKeys {
  const vault = workerVault(workerUrl)
  const signer = new PasswordProtectedKeySigner({ password, vault })
  return { prepare: () => vault.prepare(), sign: (challenge) => signer.sign(challenge), lock: () => signer.lock() }
}
