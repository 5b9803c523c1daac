// `/account/secure/`: what to do when somebody else may be using the account, part by part. Each says when it is done.

import { Credentials } from './account_credentials.js'
import { RecoveryKits } from './account_kit.js'
import { AccountPage } from './account_page.js'
import { PasswordChange } from './account_password.js'
import { Sessions } from './account_sessions.js'
import { find, findAll } from './dom.js'
import { enablePasswordToggles } from './fields.js'
import { memory, remember } from './memory.js'
import { enablePage, takeUsernameFromFragment } from './page_data.js'

/** By the message of a change: the part that it completes. */
const COMPLETES: Readonly<Record<string, string>> = {
  'done.others': 'others',
  'done.password': 'password',
  'done.kit': 'kit',
}

const account = new AccountPage()
const passwordChange = new PasswordChange(account)
const credentials = new Credentials(
  account,
  (credential) => void passwordChange.open(credential),
  () => {
    kits.show()
    showPassword()
  },
)
const kits = new RecoveryKits(account, credentials)
new Sessions(account)

const parts = findAll('[data-part]', HTMLElement)
const secured = find('[data-secured]', HTMLElement)
const replacePassword = find('[data-replace-password]', HTMLButtonElement)

function password(): Credentials['all'][number] | undefined {
  return credentials.all.find(({ kind, isActive }) => kind === 'PasswordProtectedKey' && isActive)
}

function showPassword(): void {
  const has = password() !== undefined
  for (const each of findAll('[data-has-password]', HTMLElement)) each.hidden = !has
  find('[data-no-password]', HTMLElement).hidden = has
  if (!has) complete('password')
}

function complete(part: string): void {
  remember({ done: [...new Set([...(memory.done ?? []), part])] })
  showProgress()
}

function isDone(part: HTMLElement): boolean {
  return memory.done?.includes(part.dataset['part'] ?? '') ?? false
}

function showProgress(): void {
  for (const each of parts) {
    find('[data-part-done]', HTMLElement, each).hidden = !isDone(each)
    find('[data-part-action]', HTMLElement, each).classList.toggle('dfns-secondary', isDone(each))
  }
  secured.hidden = !parts.every(isDone)
}

/** Complete a part, then move the focus to the next one that isn't done. */
function completeAndGoOn(part: string): void {
  complete(part)
  const next = parts.find((each) => !isDone(each)) ?? secured
  find('h2', HTMLElement, next).focus()
}

account.onDone((message) => {
  const part = COMPLETES[message]
  if (part !== undefined) completeAndGoOn(part)
})
replacePassword.addEventListener('click', () => {
  const current = password()
  if (current) void passwordChange.open(current)
})
find('[data-reviewed]', HTMLButtonElement).addEventListener('click', () => completeAndGoOn('credentials'))
// As on `/account/`.
window.addEventListener('pagehide', () => account.confirmation.lock())
window.addEventListener('pageshow', ({ persisted }) => {
  if (persisted) location.reload()
})
enablePasswordToggles()
takeUsernameFromFragment()
enablePage()
if (parts.every(isDone)) remember({ done: [] }) // somebody comes back
showProgress()
void account.reload()
