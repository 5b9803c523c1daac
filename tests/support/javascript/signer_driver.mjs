// The client in Node: one JSON request a line in, one JSON answer a line out. Argument: path of the client's module.

import readline from 'node:readline'
import { pathToFileURL } from 'node:url'

import { answer } from './signer.mjs'

const client = await import(pathToFileURL(process.argv[2]))

for await (const line of readline.createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await answer(client, JSON.parse(line))) + '\n')
}
