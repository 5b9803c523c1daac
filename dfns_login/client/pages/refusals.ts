// What went wrong, in words for whoever sits before it.

import { Refusal, UnreachableError } from '../api.js'
import { DamagedEnvelopeError } from '../errors.js'
import type { Messages } from './messages.js'
import { hasText, text } from './texts.js'

const SOON = 60 // seconds, where the server does not say

function passkeyProblem(name: string): string {
  if (name === 'InvalidStateError') return text('passkey.there')
  return text(name === 'NotAllowedError' || name === 'AbortError' ? 'passkey.declined' : 'broken')
}

/** Tell of a refusal, of a missing answer, or of what the browser could not do. */
export function tell(error: unknown, messages: Messages): void {
  if (error instanceof Refusal) {
    const name = hasText(`refused.${error.code}`) ? `refused.${error.code}` : 'refused.unexpected'
    if (text(name).includes('{time}')) messages.warnUntil(name, Date.now() + (error.retryAfter ?? SOON) * 1000)
    else messages.warn(text(name))
  } else if (error instanceof UnreachableError) messages.warn(text('unreachable'))
  else if (error instanceof DamagedEnvelopeError) messages.warn(text('key.damaged'))
  else if (error instanceof DOMException) messages.warn(passkeyProblem(error.name))
  else {
    messages.warn(text('broken'))
    console.error(error)
  }
}

export function isRefused(error: unknown, code: string): error is Refusal {
  return error instanceof Refusal && error.code === code
}
