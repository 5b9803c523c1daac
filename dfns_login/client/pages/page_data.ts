// What the page tells its script, and the way to the API.

import { Api } from '../api.js'
import { find, findAll } from './dom.js'

const data = find('template[data-page]', HTMLTemplateElement).dataset

function milliseconds(seconds: string | undefined): number {
  return Number(seconds) * 1000
}

/**
 * base: what the API's paths stand under. organization: its id, empty where the person has to say.
 * next: own path, or empty. Durations are milliseconds.
 */
export const page = {
  base: data['base'] ?? '/',
  organization: data['organization'] ?? '',
  next: data['next'] ?? '',
  signInUrl: data['signIn'] ?? '/',
  recoverUrl: data['recover'] ?? '/',
  accountUrl: data['account'] ?? '/',
  codeLifetime: milliseconds(data['codeLifetime']),
  codeCooldown: milliseconds(data['codeCooldown']),
  challengeLifetime: milliseconds(data['challengeLifetime']),
} as const

const csrfField = find('input[name=csrfmiddlewaretoken]', HTMLInputElement)

function csrfToken(): string {
  return csrfField.value
}

/** Take the CSRF token anew: signing in in another tab has changed it. What was typed here stays. */
export async function renewCsrfToken(): Promise<void> {
  const page = await fetch(location.pathname + location.search, { credentials: 'same-origin', cache: 'no-store' })
  const found = /name="csrfmiddlewaretoken" value="(\w+)"/.exec(await page.text())?.[1]
  if (found !== undefined) csrfField.value = found
}

export const api = new Api(page.base, csrfToken)

/** The username that a link carries in its fragment, which is taken from the address at once. */
export function carriedUsername(): string {
  const fragment = location.hash.slice(1)
  if (!fragment.includes('%40') && !fragment.includes('@')) return '' // `#content`, of the skip link
  history.replaceState(history.state, '', location.pathname + location.search)
  try {
    return decodeURIComponent(fragment)
  } catch {
    return ''
  }
}

/**
 * The page's address, for this organization and person: the query is for the server, the fragment never leaves.
 * next: own path that signing in leads to.
 */
export function addressFor(url: string, organization: string, username: string, next = ''): string {
  const query = new URLSearchParams({ ...(organization && { organization }), ...(next && { next }) }).toString()
  return url + (query && `?${query}`) + (username && `#${encodeURIComponent(username)}`)
}

/** Nothing works before the script does, and nothing pretends to. */
export function started(): void {
  for (const notice of findAll('[data-not-started]', HTMLElement)) notice.remove()
  for (const button of findAll('button', HTMLButtonElement)) button.disabled = false
}
