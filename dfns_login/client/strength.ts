// Password strength: zxcvbn with lists of common passwords, loaded on first use.

import type { ZxcvbnFactory, ZxcvbnResult } from '@zxcvbn-ts/core'

const MIN_LENGTH = 8 // NIST SP 800-63B-4 §3.1.1.2, R-27
const RECOMMENDED_LENGTH = 15
const LISTED = /^(passwords|userInputs)/

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

let estimator: Promise<ZxcvbnFactory> | undefined

async function load(): Promise<ZxcvbnFactory> {
  const { estimator } = await import('./estimator.js')
  return estimator()
}

// The whole password is one list entry, possibly with substituted letters.
function isListed({ sequence }: ZxcvbnResult): boolean {
  const [match, another] = sequence
  return another === undefined && match?.pattern === 'dictionary' && LISTED.test(String(match['dictionaryName']))
}

/** Start loading what `strength` needs: about 500 KB. */
export function prepareStrength(): void {
  estimator ??= load()
  estimator.catch(() => (estimator = undefined)) // so that the next call tries again
}

/** Estimate a password's strength. `userInputs`: what others know about the person, such as the email address. */
export async function strength(password: string, userInputs: readonly string[] = []): Promise<Strength> {
  prepareStrength()
  const text = password.normalize('NFKC')
  const length = Array.from(text).length
  const known = userInputs.flatMap((each) => [each, ...each.split(/[^\p{L}\p{N}]+/u)]).filter((each) => each.length > 2)
  const result = (await (estimator as Promise<ZxcvbnFactory>)).check(text, known)
  return {
    score: result.score,
    tooWeak: length < MIN_LENGTH || result.score === 0 || isListed(result),
    long: length >= RECOMMENDED_LENGTH,
  }
}
