// The worker that estimates passwords: at once with a few thousand words, and with all of them once they are loaded.

import { estimator, type Words } from './estimator.js'
import type { StrengthRequest, StrengthResponse } from './strength.js'

declare const FEW_WORDS: Words

let estimate = estimator(FEW_WORDS)
let loading: Promise<void> | undefined

function respond(response: StrengthResponse): void {
  postMessage(response)
}

async function load(url: string): Promise<void> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: ${response.status}`)
  estimate = estimator((await response.json()) as Words)
  respond({ refined: true })
}

addEventListener('message', ({ data }: MessageEvent<StrengthRequest>) => {
  if ('password' in data) respond({ id: data.id, ...estimate(data.password, data.userInputs) })
  else loading ??= load(data.words).catch(() => (loading = undefined)) // so that the next request tries again
})
