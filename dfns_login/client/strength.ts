// Password strength, estimated in a worker: at once with a few thousand words, and again when it has loaded all.

import type { Estimate } from './estimator.js'
import { WorkerRequests } from './workers.js'

const MIN_LENGTH = 8 // NIST SP 800-63B-4 §3.1.1.2, R-27
const RECOMMENDED_LENGTH = 15

/**
 * `score`: zxcvbn's score, 0 to 4. Below 3, someone with a copy of the envelope may well guess the password.
 * `tooWeak`: don't accept it. It is too short, a common password, or the person's own name or address.
 * `long`: it has the recommended length.
 */
export interface Strength {
  score: 0 | 1 | 2 | 3 | 4
  tooWeak: boolean
  long: boolean
}

/** `words`: URL of the lists of words. */
export type StrengthRequest = { id: number; password: string; userInputs: readonly string[] } | { words: string }

/** `refined`: estimates are better from now on. */
export type StrengthResponse = ({ id: number } & Estimate) | { refined: true }

/** What is compared: the password, and the parts of what others know about the person. Both as they will be encrypted. */
export function prepared(password: string, known: readonly string[]): { password: string; userInputs: string[] } {
  const userInputs = known.flatMap((each) => [each, ...each.split(/[^\p{L}\p{N}]+/u)]).filter((each) => each.length > 2)
  return { password: password.normalize('NFKC'), userInputs }
}

/** Whether the password, normalized, has fewer characters than any may have. */
export function isTooShort(password: string): boolean {
  return Array.from(password.normalize('NFKC')).length < MIN_LENGTH
}

export function strengthOf(password: string, { score, listed }: Estimate): Strength {
  return {
    score,
    tooWeak: isTooShort(password) || score === 0 || listed,
    long: Array.from(password.normalize('NFKC')).length >= RECOMMENDED_LENGTH,
  }
}

/** Estimates passwords without blocking the page or waiting for the long lists of words. */
export class StrengthEstimator {
  readonly #requests: WorkerRequests<ReturnType<typeof prepared>, { id: number } & Estimate>
  readonly #words: string

  /** `worker` and `words`: URLs on the page's own origin. `refined` is called when estimates have become better. */
  constructor(worker: string, words: string, refined: () => void) {
    this.#requests = new WorkerRequests(worker, refined)
    this.#words = words
  }

  /** Start loading: about 30 KB, then 400 KB while nothing else is to do. */
  prepare(): void {
    try {
      this.#requests.start().postMessage({ words: this.#words } satisfies StrengthRequest)
    } catch {
      // the next estimate reports it
    }
  }

  /** `known`: what others know about the person, such as the email address. Throws VaultError if the worker fails. */
  async estimate(password: string, known: readonly string[]): Promise<Strength> {
    this.prepare()
    return strengthOf(password, await this.#requests.send(prepared(password, known)))
  }
}
