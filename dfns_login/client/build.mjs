// Builds the bundle into `static/dfns_login/dist`. Pages load the files with fixed names, which load the chunks.

import { execFile } from 'node:child_process'
import fs from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { build } from 'esbuild'

const here = path.dirname(fileURLToPath(import.meta.url))
const outdir = path.join(here, '..', 'static', 'dfns_login', 'dist')
const pages = ['sign_in', 'register', 'recover', 'account', 'secure'].map((name) => `pages/${name}.ts`)

async function exists(file) {
  return fs.access(path.join(here, file)).then(
    () => true,
    () => false,
  )
}

async function present(files) {
  const there = await Promise.all(files.map(exists))
  return files.filter((_, index) => there[index])
}

const common = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  metafile: true,
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none', // THIRD_PARTY_LICENSES.txt has them all
  logLevel: 'warning',
  outdir,
}

/** Names of the bundled packages. */
function packagesIn(results) {
  const inputs = results.flatMap((result) => Object.keys(result.metafile.inputs))
  const found = inputs.flatMap((input) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? [])
  return [...new Set(found)].sort()
}

async function licenseOf(name) {
  const folder = path.join(here, 'node_modules', name)
  const { version, license } = JSON.parse(await fs.readFile(path.join(folder, 'package.json'), 'utf8'))
  const files = (await fs.readdir(folder)).filter((file) => /^(licen[cs]e|notice|third_party)/i.test(file)).sort()
  if (!files.some((file) => /^licen/i.test(file))) throw new Error(`${name} has no license file`)
  const texts = await Promise.all(files.map((file) => fs.readFile(path.join(folder, file), 'utf8')))
  return [`${name} ${version} (${license})`, ...texts.map((text) => text.trim())].join('\n\n')
}

await fs.rm(outdir, { recursive: true, force: true })
const results = await Promise.all([
  build({
    ...common,
    // All in one folder, so that scripts find `envelope.worker.js` next to them.
    entryPoints: ['signer.ts', ...(await present(pages))],
    format: 'esm',
    splitting: true,
    chunkNames: 'chunk-[hash]',
    entryNames: '[name]',
  }),
  build({ ...common, entryPoints: ['envelope.worker.ts'], format: 'iife' }),
])
const compiler = path.join(here, 'node_modules', 'typescript', 'bin', 'tsc')
await promisify(execFile)(process.execPath, [compiler, '--project', path.join(here, 'tsconfig.types.json')])

// For Node, which the tests run the signer in. The npm package is built apart, by package.mjs.
await fs.writeFile(path.join(outdir, 'package.json'), '{ "type": "module" }\n')

// Written last: `make` uses it as the timestamp of the whole build.
const licenses = await Promise.all(packagesIn(results).map(licenseOf))
await fs.writeFile(path.join(outdir, 'THIRD_PARTY_LICENSES.txt'), licenses.join(`\n\n${'-'.repeat(72)}\n\n`) + '\n')
