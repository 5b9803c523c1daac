// The public module of the client, and internals that the tests need.

export * from '../../dfns_login/client/encoding.js'
export { newKitKey } from '../../dfns_login/client/kit_key.js'
export * from '../../dfns_login/client/index.js'

import { estimator } from '../../dfns_login/client/estimator.js'
import { prepared, strengthOf, type Strength } from '../../dfns_login/client/strength.js'
import { fewWords, words } from '../../dfns_login/client/words.mjs'

const estimators = { few: estimator(fewWords), all: estimator(words) }

export function strength(password: string, known: string[], lists: 'few' | 'all'): Strength {
  const { password: text, userInputs } = prepared(password, known)
  return strengthOf(password, estimators[lists](text, userInputs))
}
