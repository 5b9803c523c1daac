// Builds the bundle into `static/dfns_login/dist`. The script of each page is one file, so that it takes one request; pages
// name the workers and the lists, so that any storage of static files may rename them. Chunks are loaded by name.

import fs from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { build } from 'esbuild'

import { licensesOf, packagesIn } from './licenses.mjs'
import { fewWords, wordPackages, words } from './words.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const outdir = path.join(here, '..', 'static', 'dfns_login', 'dist')
const pages = ['sign_in', 'register', 'recover', 'account', 'secure'].map((name) => `pages/${name}.ts`)
const styles = ['basics', 'pages'].map((name) => path.join(outdir, '..', `${name}.css`))
const notInPages = ['./envelope.js'] // for where there are no workers, as in Node

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

await fs.rm(outdir, { recursive: true, force: true })
const esm = { ...common, format: 'esm', entryNames: '[name]', splitting: true, chunkNames: 'chunk-[hash]' }
// With copies of what it shares with the page's script, which would otherwise be split.
const later = await build({
  ...esm,
  splitting: false,
  entryPoints: ['pages/login_keys.ts'],
  entryNames: 'chunk-[hash]',
  external: notInPages,
})
const [chunk] = Object.keys(later.metafile.outputs).map((file) => path.basename(file))
const define = { LOGIN_KEYS: JSON.stringify(`./${chunk}`) }
const results = await Promise.all([
  build({ ...esm, entryPoints: { signer: 'index.ts' } }),
  ...(await present(pages)).map((page) => build({ ...esm, entryPoints: [page], external: notInPages, define })),
  build({
    ...common,
    entryPoints: ['envelope.worker.ts', 'strength.worker.ts'],
    format: 'iife',
    define: { FEW_WORDS: JSON.stringify(fewWords) },
  }),
  build({ ...common, entryPoints: styles, target: 'esnext' }), // minifies, and `pages.css` has the basics too
])
await fs.writeFile(path.join(outdir, 'words.json'), JSON.stringify(words))

// For Node, which the tests run the signer in. The npm package is built apart, by package.mjs.
await fs.writeFile(path.join(outdir, 'package.json'), '{ "type": "module" }\n')

// Written last: `make` uses it as the timestamp of the whole build.
const names = [...new Set([...packagesIn(results), ...wordPackages])].sort()
await fs.writeFile(path.join(outdir, 'THIRD_PARTY_LICENSES.txt'), await licensesOf(names))
