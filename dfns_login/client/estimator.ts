// zxcvbn and its lists, apart, so that they are fetched apart.

import { ZxcvbnFactory } from '@zxcvbn-ts/core'
import { adjacencyGraphs, dictionary } from '@zxcvbn-ts/language-common'
import commonWords from '@zxcvbn-ts/language-en/dist/commonWords.json.mjs'
import firstNames from '@zxcvbn-ts/language-en/dist/firstnames.json.mjs'

/** An estimator. Of the English lists, the two longest, of last names and of the Wikipedia's words, are left out. */
export function estimator(): ZxcvbnFactory {
  return new ZxcvbnFactory({
    dictionary: { ...dictionary, 'commonWords-en': commonWords, 'firstnames-en': firstNames },
    graphs: adjacencyGraphs,
  })
}
