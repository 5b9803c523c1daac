// Builds the npm package into `build/client` or the folder of the argument. `make client-package` packs it.
//
// REPOSITORY_URL: the repository that publishes it, as its build's provenance says.

import { execFile } from 'node:child_process'
import fs from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { build } from 'esbuild'

import { licensesOf, packagesIn } from './licenses.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const root = path.join(here, '..', '..')
const outdir = path.resolve(process.argv[2] ?? path.join(root, 'build', 'client'))
const STAGES = { a: 'alpha', b: 'beta', rc: 'rc' }

/** Version of the Python package, written as npm does: 1.2.0rc1 becomes 1.2.0-rc.1. */
async function version() {
  const source = await fs.readFile(path.join(root, 'dfns_login', '__init__.py'), 'utf8')
  const [, release, stage, number] = /__version__ = "(\d+\.\d+\.\d+)(?:(a|b|rc)(\d+))?"/.exec(source) ?? []
  if (!release) throw new Error('dfns_login/__init__.py has no version that npm knows.')
  return stage ? `${release}-${STAGES[stage]}.${number}` : release
}

const common = {
  absWorkingDir: here,
  bundle: true, // the worker has to be one file, and what is tested is what runs
  metafile: true,
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none', // THIRD_PARTY_LICENSES.txt has them all
  logLevel: 'warning',
  outdir,
}
// For browsers and Node versions without WebCrypto, which we don't support. Bundlers wouldn't find it.
const withoutNodeCrypto = { alias: { crypto: 'data:text/javascript,export const { crypto: webcrypto } = globalThis' } }

await fs.rm(outdir, { recursive: true, force: true })
const results = await Promise.all([
  build({ ...common, ...withoutNodeCrypto, entryPoints: ['index.ts'], format: 'esm', splitting: true, chunkNames: 'chunk-[hash]' }),
  // Bundlers copy this file as it is.
  build({ ...common, entryPoints: ['envelope.worker.ts'], format: 'iife', minify: true }),
])
const compiler = path.join(here, 'node_modules', 'typescript', 'bin', 'tsc')
const types = ['--project', path.join(here, 'tsconfig.types.json'), '--outDir', path.join(outdir, 'types')]
await promisify(execFile)(process.execPath, [compiler, ...types])

await fs.writeFile(path.join(outdir, 'envelope.worker.d.ts'), 'export {}\n')

const { license, engines } = JSON.parse(await fs.readFile(path.join(here, 'package.json'), 'utf8'))
const { REPOSITORY_URL: url } = process.env
const manifest = {
  name: '@dfns-login/client',
  version: await version(),
  description: 'Sign in, register and sign requests in a browser, with a password or a passkey, for projects with dfns_login.',
  keywords: ['authentication', 'dfns', 'django', 'login', 'passkeys', 'signing', 'webauthn'],
  license,
  ...(url && { repository: { type: 'git', url, directory: 'dfns_login/client' } }),
  type: 'module',
  sideEffects: ['./envelope.worker.js'], // a worker of yours may import it
  main: './index.js', // with `types`, for tools that don't know `exports`
  types: './types/index.d.ts',
  exports: {
    '.': { types: './types/index.d.ts', default: './index.js' },
    './envelope.worker.js': { types: './envelope.worker.d.ts', default: './envelope.worker.js' },
    './package.json': './package.json',
  },
  files: ['*.js', '*.d.ts', 'types', 'THIRD_PARTY_LICENSES.txt'],
  engines,
  publishConfig: { access: 'public', provenance: true },
}
await fs.writeFile(path.join(outdir, 'package.json'), JSON.stringify(manifest, null, 2) + '\n')
await fs.writeFile(path.join(outdir, 'THIRD_PARTY_LICENSES.txt'), await licensesOf(packagesIn(results)))
await fs.copyFile(path.join(root, 'LICENSE'), path.join(outdir, 'LICENSE'))
await fs.copyFile(path.join(here, 'README.md'), path.join(outdir, 'README.md'))
