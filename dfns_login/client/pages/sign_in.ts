// `/login/`: email address, code and password, or a passkey. Errors and expiry keep what was typed.

import { passkeysSupported } from '../passkey.js'
import type { SigningChallenge } from '../wire.js'
import { BusyGuard } from './busy_guard.js'
import { isSamePerson, type Person } from './code_sender.js'
import { find, findAll, findOptional } from './dom.js'
import { isRefused, reportUnhandled } from './error_messages.js'
import { enablePasswordToggles } from './fields.js'
import { hasPasskey, hasPassword, needsSecond } from './login_challenge.js'
import { LoginCode } from './login_code.js'
import { LoginSigning } from './login_signing.js'
import { Messages } from './messages.js'
import { api, enablePage } from './page_data.js'
import { PasskeyAutofill } from './passkey_autofill.js'
import { PersonFields } from './person_fields.js'
import { Steps } from './steps.js'
import { text } from './texts.js'

type Step = 'username' | 'code' | 'expired' | 'resumed' | 'password' | 'passkey' | 'second'

const form = find('form[data-sign-in]', HTMLFormElement)
const guard = new BusyGuard(form, new Messages(form))
reportUnhandled(guard.messages)
const { messages } = guard
const personFields = new PersonFields(() => {
  if (steps.current !== 'username') void begin().then(() => code.field.input.focus())
})
const passkeyOffer = find('[data-passkey]', HTMLElement)
const code = new LoginCode(guard, codeExpired, useOwnCode)
const signing = new LoginSigning(guard, (step) => steps.go(step))
const autofill = new PasskeyAutofill((challenge, factor) => signing.withAutofilled(challenge, factor))
const steps = new Steps<Step>(
  form,
  { username: -1, code: 0, expired: 0, resumed: 0, password: 1, passkey: 1, second: 2 },
  'username',
  (wanted) => {
    if (wanted === undefined || !personFields.username) return 'username'
    if (wanted === 'code' && code.wasSent) return 'code'
    const { challenge } = signing.opened ?? {}
    if (!challenge) return 'resumed'
    return wanted === 'password' && hasPassword(challenge) ? 'password' : 'username'
  },
  () => (signing.opened && needsSecond(signing.opened.challenge, 'PasswordProtectedKey') ? 3 : 2),
)

function codeExpired(): void {
  if (steps.current === 'code') messages.showError(text('code.expired'))
}

function updatePasskeyOffer(): void {
  const { challenge } = signing.opened ?? {}
  const offered =
    steps.current === 'username'
      ? passkeysSupported()
      : steps.current === 'password' && challenge !== undefined && hasPasskey(challenge)
  passkeyOffer.hidden = !offered || (challenge !== undefined && needsSecond(challenge, 'Fido2'))
}

function enterCode(): void {
  const person = personFields.required()
  if (!person) return
  messages.clearError()
  personFields.show()
  steps.go('code')
}

function useOwnCode(): void {
  const person = personFields.required()
  if (!person) return
  code.assume(person)
  enterCode()
}

async function sendCode(): Promise<void> {
  const person = personFields.required()
  if (!person || !(await code.send(person, (error) => personFields.showRefused(error)))) return
  if (steps.current === 'code') messages.showStatus('code.sent')
  else enterCode()
}

async function begin(): Promise<void> {
  const person = personFields.required()
  if (!person) return
  const { opened } = signing
  if (opened && isSamePerson(opened, person)) return steps.go(hasPassword(opened.challenge) ? 'password' : 'passkey')
  if (opened) signing.forget()
  if (code.isValidFor(person)) enterCode()
  else await sendCode()
}

async function presentCode(): Promise<void> {
  const person = personFields.required()
  const loginCode = person && code.field.requiredCode()
  if (!person || loginCode === null) return
  const { organization, username } = person
  let challenge: SigningChallenge | undefined
  await guard.run(
    'code.checking',
    async () => {
      const body = { username, orgId: organization, loginCode }
      challenge = await api.challenge<SigningChallenge>('auth/login/init', body)
    },
    (error) => {
      if (!isRefused(error, 'invalid_code')) return personFields.showRefused(error)
      code.field.showError(text('refused.invalid_code'))
      return true
    },
  )
  if (challenge) showChallenge(person, challenge)
}

function showChallenge(person: Person, challenge: SigningChallenge): void {
  code.clear()
  signing.open({ ...person, challenge })
  if (hasPassword(challenge)) steps.go('password')
  else if (hasPasskey(challenge)) steps.go('passkey')
  else {
    signing.forget()
    steps.go('username')
    messages.showError(text('no_way_in'))
  }
}

async function signWithPasskey(): Promise<void> {
  const organization = personFields.requiredOrganization()
  if (organization === null) return
  autofill.stop()
  await signing.withPasskey(organization)
  if (!signing.signedIn && steps.current === 'username') void autofill.start()
}

const submitted: Readonly<Record<Step, () => Promise<void>>> = {
  username: begin,
  code: presentCode,
  expired: sendCode,
  resumed: sendCode,
  password: () => signing.withPassword(),
  passkey: signWithPasskey,
  second: () => signing.withSecondFactor(),
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  if (!guard.busy) void submitted[steps.current]()
})
form.addEventListener('step', () => {
  updatePasskeyOffer()
  if (steps.current === 'username') void autofill.start()
  else autofill.stop()
})
for (const button of findAll('[data-go=username]', HTMLButtonElement)) {
  button.addEventListener('click', () => {
    messages.clearError()
    messages.showStatus()
    steps.go('username')
  })
}
find('[data-send-again]', HTMLButtonElement).addEventListener('click', () => void sendCode())
findOptional('[data-use-passkey]', HTMLButtonElement)?.addEventListener('click', () => void signWithPasskey())
window.addEventListener('pageshow', ({ persisted }) => {
  if (persisted && signing.signedIn) location.reload()
})
form.addEventListener('input', () => void signing.load().catch(() => undefined), { once: true })
enablePasswordToggles()
updatePasskeyOffer()
enablePage()
personFields.show()
if (!steps.resume()) void autofill.start()
code.resume()
