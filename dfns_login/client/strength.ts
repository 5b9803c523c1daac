// How hard a password is to guess: zxcvbn with lists of common passwords, all of it fetched when first asked.

import type { ZxcvbnFactory, ZxcvbnResult } from '@zxcvbn-ts/core'

const SHORTEST = 8 // NIST SP 800-63B-4 §3.1.1.2, R-27
const LONG = 15
const LISTED = /^(passwords|userInputs)/

/**
 * score: 0 to 4, as zxcvbn has it: below 3, somebody with a copy of the envelope may well guess it.
 * tooWeak: not to be accepted: too short, or guessed at once: a common password, or the person's own name or address.
 * long: as long as is recommended.
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

// One entry of a list is the whole of it, however its letters are varied.
function isListed({ sequence }: ZxcvbnResult): boolean {
  const [match, another] = sequence
  return another === undefined && match?.pattern === 'dictionary' && LISTED.test(String(match['dictionaryName']))
}

/** Start to fetch what `strength` needs: about half a megabyte. */
export function prepareStrength(): void {
  estimator ??= load()
  estimator.catch(() => (estimator = undefined)) // to be fetched again
}

/** Estimate a password. userInputs: what others know of the person, such as the e-mail address. */
export async function strength(password: string, userInputs: readonly string[] = []): Promise<Strength> {
  prepareStrength()
  const text = password.normalize('NFKC')
  const length = Array.from(text).length
  const known = userInputs.flatMap((each) => [each, ...each.split(/[^\p{L}\p{N}]+/u)]).filter((each) => each.length > 2)
  const found = (await (estimator as Promise<ZxcvbnFactory>)).check(text, known)
  return {
    score: found.score,
    tooWeak: length < SHORTEST || found.score === 0 || isListed(found),
    long: length >= LONG,
  }
}
