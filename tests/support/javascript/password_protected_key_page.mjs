// In a page of the project, which serves the signer.

import * as sdk from '@dfns/sdk'

import { answer, verbs } from './password_protected_key.mjs'

const client = await import('/static/dfns_login/dist/signer.js')
const found = verbs({ sdk, client, baseUrl: location.origin })

globalThis.answer = (asked) => answer(found, asked)
