// Data that the page passes to its script, and the API client.

import { Api } from '../api.js'
import { workerVault, type Vault } from '../vault.js'
import type { SigningChallenge } from '../wire.js'
import { find, findAll } from './dom.js'

const data = find('template[data-page]', HTMLTemplateElement).dataset

function milliseconds(seconds: string | undefined): number {
  return Number(seconds) * 1000
}

/** The language of the page's texts. Undefined, which means the browser's, if it is no language tag. */
function language(code: string | undefined): string | undefined {
  try {
    return Intl.getCanonicalLocales(code)[0]
  } catch {
    return undefined
  }
}

/**
 * `base`: path that precedes the API's paths. `organization`: id, or empty if the person has to enter it.
 * `next`: path on this site, or empty. Durations are in milliseconds.
 */
export const page = {
  language: language(data['language']),
  base: data['base'] ?? '/',
  organization: data['organization'] ?? '',
  next: data['next'] ?? '',
  signInUrl: data['signIn'] ?? '/',
  recoverUrl: data['recover'] ?? '/',
  accountUrl: data['account'] ?? '/',
  codeLifetime: milliseconds(data['codeLifetime']),
  codeCooldown: milliseconds(data['codeCooldown']),
  challengeLifetime: milliseconds(data['challengeLifetime']),
  passkeyLifetime: milliseconds(data['passkeyLifetime']),
  envelopeWorkerUrl: data['envelopeWorker'] ?? '',
  strengthWorkerUrl: data['strengthWorker'] ?? '',
  wordsUrl: data['words'] ?? '',
} as const

const csrfField = find('input[name=csrfmiddlewaretoken]', HTMLInputElement)

function csrfToken(): string {
  return csrfField.value
}

/** The challenge for any passkey of the organization; null if the page has none. */
export function passkeyChallenge(): SigningChallenge | null {
  const { passkeyChallenge: challenge, passkeyIdentifier: challengeIdentifier, passkeyRp: id } = data
  if (!challenge || !challengeIdentifier || !id) return null
  const allowCredentials = { key: [], webauthn: [] }
  const rp = { id, name: '' }
  return { challenge, challengeIdentifier, rp, allowCredentials, supportedCredentialKinds: [], userVerification: 'required' }
}

/**
 * Fetch a new CSRF token, because signing in in another tab changes it, and a new challenge. Keeps what was typed.
 * Returns false if the browser was sent to another page, as it is once it is signed in. Throws TypeError if the server
 * can't be reached.
 */
export async function renewPage(): Promise<boolean> {
  const response = await fetch(location.pathname + location.search, { credentials: 'same-origin', cache: 'no-store' })
  const html = await response.text()
  const token = /name="csrfmiddlewaretoken" value="(\w+)"/.exec(html)?.[1]
  if (token !== undefined) csrfField.value = token
  const opened = /data-passkey-challenge="([\w-]+)"\s+data-passkey-identifier="([\w-]+)"/.exec(html)
  if (opened) [, data['passkeyChallenge'], data['passkeyIdentifier']] = opened
  return !response.redirected
}

/** Create a vault in the worker whose URL the page names, which may have a hash. */
export function pageVault(): Vault {
  return workerVault(page.envelopeWorkerUrl)
}

export const api = new Api(page.base, { csrfToken })

/** Read the username from the URL's fragment and remove it from the address bar. */
export function takeUsernameFromFragment(): string {
  const fragment = location.hash.slice(1)
  if (!fragment.includes('%40') && !fragment.includes('@')) return '' // `#content` is the skip link
  history.replaceState(history.state, '', location.pathname + location.search)
  try {
    return decodeURIComponent(fragment)
  } catch {
    return ''
  }
}

/**
 * The URL of a page for this organization and person. The username is in the fragment, which browsers don't send.
 * `next`: path on this site to open after signing in.
 */
export function pageUrl(url: string, organization: string, username: string, next = ''): string {
  const query = new URLSearchParams({ ...(organization && { organization }), ...(next && { next }) }).toString()
  return url + (query && `?${query}`) + (username && `#${encodeURIComponent(username)}`)
}

/** Enable the page. Templates disable all buttons, because they don't work until the script runs. */
export function enablePage(): void {
  for (const notice of findAll('[data-not-started]', HTMLElement)) notice.remove()
  for (const button of findAll('button', HTMLButtonElement)) button.disabled = false
}
