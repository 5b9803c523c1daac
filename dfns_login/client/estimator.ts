// zxcvbn with lists of words. Runs in the worker or in Node.

import { ZxcvbnFactory, type ZxcvbnResult } from '@zxcvbn-ts/core'
import adjacencyGraphs from '@zxcvbn-ts/language-common/dist/adjacencyGraphs.json.mjs'

/** Words by the name of their list: the most common first, separated by spaces. */
export type Words = Readonly<Record<string, string>>

/**
 * `score`: zxcvbn's score, 0 to 4. `listed`: the whole password is a common one or what others know about the person,
 * possibly with substituted letters.
 */
export interface Estimate {
  score: 0 | 1 | 2 | 3 | 4
  listed: boolean
}

const LISTED = /^(passwords|userInputs)/

function isListed({ sequence }: ZxcvbnResult): boolean {
  const [match, another] = sequence
  return another === undefined && match?.pattern === 'dictionary' && LISTED.test(String(match['dictionaryName']))
}

/** Return a function that estimates a password. `userInputs`: what others know about the person. */
export function estimator(words: Words): (password: string, userInputs: readonly string[]) => Estimate {
  const dictionary = Object.fromEntries(Object.entries(words).map(([name, list]) => [name, list.split(' ')]))
  const zxcvbn = new ZxcvbnFactory({ dictionary, graphs: adjacencyGraphs })
  return (password, userInputs) => {
    const result = zxcvbn.check(password, [...userInputs])
    return { score: result.score, listed: isListed(result) }
  }
}
