// What a page remembers in its tab, so that a reload resumes there: who signs in, when a code was sent, and which parts
// of securing the account are done. Never a code, a password or a key. It is forgotten at the sign-in and with the tab.

const PREFIX = 'dfns-login:'

/** `until`: when the code expires, in milliseconds; missing if that is unknown. */
export interface SentCode {
  organization: string
  username: string
  until?: number
}

/**
 * `sent`: the last code that was sent. `again`: when another may be sent, in milliseconds.
 * `done`: parts of `/account/secure/`. */
export interface Memory {
  organization?: string
  username?: string
  sent?: SentCode | undefined
  again?: number
  done?: readonly string[]
}

const name = PREFIX + location.pathname

function read(): Memory {
  try {
    return (JSON.parse(sessionStorage.getItem(name) ?? '{}') ?? {}) as Memory
  } catch {
    return {} // the browser blocks storage, or another script wrote there
  }
}

export const memory: Readonly<Memory> = read()

export function remember(values: Memory): void {
  Object.assign(memory, values)
  try {
    sessionStorage.setItem(name, JSON.stringify(memory))
  } catch {
    // a reload then starts again
  }
}

/** Forget what all pages remember. */
export function forgetAll(): void {
  try {
    for (const key of Object.keys(sessionStorage)) if (key.startsWith(PREFIX)) sessionStorage.removeItem(key)
  } catch {
    // nothing was stored
  }
}
