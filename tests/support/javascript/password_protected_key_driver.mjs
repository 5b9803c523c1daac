// In Node: one JSON request a line in, one JSON answer a line out, with {"requests": …} that were sent meanwhile.
// Arguments: path of the signer's module; URL of the project.

import diagnostics from 'node:diagnostics_channel'
import readline from 'node:readline'
import { pathToFileURL } from 'node:url'

import sdk from '@dfns/sdk'

import { answer, verbs } from './password_protected_key.mjs'

const [, , module, baseUrl] = process.argv
const found = verbs({ sdk, client: await import(pathToFileURL(module)), baseUrl })

let requests = []
diagnostics.subscribe('http.client.request.start', ({ request }) => requests.push(request.path))

for await (const line of readline.createInterface({ input: process.stdin })) {
  requests = []
  const said = await answer(found, JSON.parse(line))
  process.stdout.write(JSON.stringify({ ...said, requests }) + '\n')
}
