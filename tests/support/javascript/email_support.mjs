/** Reads emails from stdin (JSON, HTML by name); writes which of their features which email programs lack. */

import { text } from 'node:stream/consumers'
import { caniemail } from 'caniemail'

const clients = process.argv.slice(2)
const UNKNOWN = /word-wrap:[^;"]+;?/g // the data say nothing about it for Gmail on iOS, and the library then throws
const lacking = {}
for (const html of Object.values(JSON.parse(await text(process.stdin)))) {
  for (const [client, issues] of caniemail({ clients, html: html.replace(UNKNOWN, '') }).issues.errors) {
    for (const { title } of issues) (lacking[title] ??= new Set()).add(client)
  }
}
console.log(JSON.stringify(lacking, (_, value) => (value instanceof Set ? [...value].sort() : value)))
