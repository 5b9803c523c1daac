// Error messages for people.

import { Refusal, UnreachableError } from '../api.js'
import type { Messages } from './messages.js'
import { hasText, text } from './texts.js'

const DEFAULT_RETRY = 60 // seconds, if the server doesn't send Retry-After

function passkeyProblem(name: string): string {
  if (name === 'InvalidStateError') return text('passkey.exists')
  return text(name === 'NotAllowedError' || name === 'AbortError' ? 'passkey.declined' : 'broken')
}

/** Show the message for an error response, a network error or a browser error. */
export function reportError(error: unknown, messages: Messages): void {
  if (error instanceof Refusal) {
    const name = hasText(`refused.${error.code}`) ? `refused.${error.code}` : 'refused.unexpected'
    const retryAfter = error.retryAfter ?? DEFAULT_RETRY
    if (text(name).includes('{time}')) messages.showErrorUntil(name, Date.now() + retryAfter * 1000)
    else messages.showError(text(name))
  } else if (error instanceof UnreachableError) messages.showError(text('unreachable'))
  else if (isNamed(error, 'DamagedEnvelopeError')) messages.showError(text('key.damaged'))
  else if (error instanceof DOMException) messages.showError(passkeyProblem(error.name))
  else {
    messages.showError(text('broken'))
    console.error(error)
  }
}

/** Report errors of our scripts that no task handles. Otherwise the page would stop without a message. */
export function reportUnhandled(messages: Messages): void {
  const ours = new URL('.', import.meta.url).href // browser extensions run scripts in the page, too
  window.addEventListener('unhandledrejection', ({ reason }) => {
    if (reason instanceof Error && reason.stack?.includes(ours)) reportError(reason, messages)
  })
}

/** Whether it is an error of this name, in case a script that was loaded later has a class of its own. */
export function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name
}

export function isRefused(error: unknown, code: string): error is Refusal {
  return error instanceof Refusal && error.code === code
}
