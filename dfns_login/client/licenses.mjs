// Licenses of the packages that a build includes.

import fs from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const packages = fileURLToPath(new URL('node_modules', import.meta.url))

/** Names of the packages in the results of esbuild, which must have metafiles. */
export function packagesIn(results) {
  const inputs = results.flatMap((result) => Object.keys(result.metafile.inputs))
  const found = inputs.flatMap((input) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? [])
  return [...new Set(found)].sort()
}

async function licenseOf(name) {
  const folder = path.join(packages, name)
  const { version, license } = JSON.parse(await fs.readFile(path.join(folder, 'package.json'), 'utf8'))
  const files = (await fs.readdir(folder)).filter((file) => /^(licen[cs]e|notice|third_party)/i.test(file)).sort()
  if (!files.some((file) => /^licen/i.test(file))) throw new Error(`${name} has no license file`)
  const texts = await Promise.all(files.map((file) => fs.readFile(path.join(folder, file), 'utf8')))
  return [`${name} ${version} (${license})`, ...texts.map((text) => text.trim())].join('\n\n')
}

/** The licenses of these packages as one text. */
export async function licensesOf(names) {
  const licenses = await Promise.all(names.map(licenseOf))
  return licenses.join(`\n\n${'-'.repeat(72)}\n\n`) + '\n'
}
