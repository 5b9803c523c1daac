// zxcvbn and its word lists, in a module of their own so that they load on demand.

import { ZxcvbnFactory } from '@zxcvbn-ts/core'
import { adjacencyGraphs, dictionary } from '@zxcvbn-ts/language-common'
import commonWords from '@zxcvbn-ts/language-en/dist/commonWords.json.mjs'
import firstNames from '@zxcvbn-ts/language-en/dist/firstnames.json.mjs'

/** Create an estimator. It omits the two longest English lists (last names and Wikipedia words). */
export function estimator(): ZxcvbnFactory {
  return new ZxcvbnFactory({
    dictionary: { ...dictionary, 'commonWords-en': commonWords, 'firstnames-en': firstNames },
    graphs: adjacencyGraphs,
  })
}
