// The lists of words for estimating passwords: a few that the worker brings along, and all, which it loads later.

import { dictionary } from '@zxcvbn-ts/language-common'
import commonWords from '@zxcvbn-ts/language-en/dist/commonWords.json.mjs'
import firstNames from '@zxcvbn-ts/language-en/dist/firstnames.json.mjs'

export const wordPackages = ['@zxcvbn-ts/language-common', '@zxcvbn-ts/language-en']

// Without the two longest English lists: last names and words of Wikipedia.
const lists = { ...dictionary, 'commonWords-en': commonWords, 'firstnames-en': firstNames }

/** Each list as one text, the most common words first. */
function joined(lists) {
  return Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, list.join(' ')]))
}

export const words = joined(lists)

export const fewWords = joined({
  'passwords-common': lists['passwords-common'].slice(0, 3000),
  'commonWords-en': commonWords.slice(0, 1000),
})
