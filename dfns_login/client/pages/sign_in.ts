// `/login/`: email address, code and password, or a passkey. Errors and expiry keep what was typed.

import { WrongPasswordError } from '../errors.js'
import { getPasskey, passkeysSupported } from '../passkey.js'
import { PasswordProtectedKeySigner } from '../signer.js'
import type { Fido2Assertion, PasswordProtectedKeyAssertion, SigningChallenge } from '../wire.js'
import { BusyGuard } from './busy_guard.js'
import { Countdown, showIn } from './clocks.js'
import { isSamePerson, type Person } from './code_sender.js'
import { ownAddress } from './destination.js'
import { find, findAll, findOptional } from './dom.js'
import { isRefused } from './error_messages.js'
import { enablePasswordToggles, Field } from './fields.js'
import { completeLogin, type Factors, hasPasskey, hasPassword, needsSecond } from './login_challenge.js'
import { LoginCode } from './login_code.js'
import { forgetAll } from './memory.js'
import { Messages } from './messages.js'
import { api, enablePage, page } from './page_data.js'
import { PasskeyAutofill } from './passkey_autofill.js'
import { PersonFields } from './person_fields.js'
import { Steps } from './steps.js'
import { text } from './texts.js'

type Step = 'username' | 'code' | 'expired' | 'resumed' | 'password' | 'passkey' | 'second'

const form = find('form[data-sign-in]', HTMLFormElement)
const guard = new BusyGuard(form, new Messages(form))
const { messages } = guard
const personFields = new PersonFields()
const password = new Field('password')
const passkeyOffer = find('[data-passkey]', HTMLElement)
const code = new LoginCode(guard, codeExpired, useOwnCode)
const autofill = new PasskeyAutofill(signWithAutofilled)
const signer = new PasswordProtectedKeySigner({ password: () => password.value })

/** The challenge to sign, once the code is accepted. */
let opened: (Person & { challenge: SigningChallenge }) | undefined
let keyFactor: PasswordProtectedKeyAssertion | undefined
let signedIn = false

const time = new Countdown(showIn(findAll('[data-answer] [data-clock]', HTMLElement)), challengeExpired)
const steps = new Steps<Step>(
  form,
  { username: 0, code: 1, expired: 1, resumed: 1, password: 2, passkey: 2, second: 3 },
  'username',
  (wanted) => {
    if (wanted === undefined || !personFields.username) return 'username'
    if (wanted === 'code' && code.wasSent) return 'code'
    if (!opened) return 'resumed'
    return wanted === 'password' && hasPassword(opened.challenge) ? 'password' : 'username'
  },
  () => (opened && needsSecond(opened.challenge, 'PasswordProtectedKey') ? 4 : 3),
)

function codeExpired(): void {
  if (steps.current === 'code') messages.showError(text('code.expired'))
}

function forget(): void {
  opened = keyFactor = undefined
  time.stop()
  signer.lock()
}

function challengeExpired(): void {
  forget()
  steps.go('expired')
}

function updatePasskeyOffer(): void {
  const { challenge } = opened ?? {}
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
  if (opened && isSamePerson(opened, person)) return steps.go(hasPassword(opened.challenge) ? 'password' : 'passkey')
  if (opened) forget()
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
  opened = { ...person, challenge }
  time.start(Date.now() + page.challengeLifetime)
  if (hasPassword(challenge)) steps.go('password')
  else if (hasPasskey(challenge)) steps.go('passkey')
  else {
    forget()
    steps.go('username')
    messages.showError(text('no_way_in'))
  }
}

async function signWithPassword(): Promise<void> {
  if (password.value === '') return password.showError(text('missing.password'))
  const { challenge } = opened ?? {}
  if (!challenge) return challengeExpired()
  const done = await guard.run(
    'key.unlocking',
    async () => {
      const factor = await signer.sign(challenge)
      if (needsSecond(challenge, 'PasswordProtectedKey')) keyFactor = factor
      else await complete(challenge, { firstFactor: factor })
    },
    (error) => {
      if (!(error instanceof WrongPasswordError)) return handleExpired(error)
      password.showError(text('wrong_password'))
      return true
    },
  )
  if (!done || signedIn) return
  steps.go('second')
  await signWithSecond()
}

async function signWithSecond(): Promise<void> {
  const { challenge } = opened ?? {}
  const firstFactor = keyFactor
  if (!challenge || !firstFactor) return challengeExpired()
  await guard.run(
    'passkey.waiting',
    async () => complete(challenge, { firstFactor, secondFactor: await getPasskey(challenge) }),
    handleExpired,
  )
}

/** The person chose a passkey in the email field. Returns whether the challenge had expired. */
async function signWithAutofilled(challenge: SigningChallenge, firstFactor: Fido2Assertion): Promise<boolean> {
  let expired = false
  await guard.run(
    'signing_in',
    () => complete(challenge, { firstFactor }),
    (error) => {
      expired = isRefused(error, 'invalid_challenge')
      if (!expired && !isRefused(error, 'not_authorized')) return false
      messages.showError(text(expired ? 'passkey.expired' : 'passkey.unknown'))
      return true
    },
  )
  return expired
}

async function signWithPasskey(): Promise<void> {
  const orgId = personFields.requiredOrganization()
  if (orgId === null) return
  autofill.stop()
  await guard.run(
    'passkey.waiting',
    async () => {
      const challenge = opened?.challenge ?? (await api.call<SigningChallenge>('POST', 'auth/login/init', { orgId }))
      if (needsSecond(challenge, 'Fido2')) return messages.showError(text('passkey.password_required'))
      await complete(challenge, { firstFactor: await getPasskey(challenge) })
    },
    (error) => {
      if (!isRefused(error, 'not_authorized')) return handleExpired(error)
      messages.showError(text('passkey.unknown'))
      return true
    },
  )
  if (!signedIn && steps.current === 'username') void autofill.start()
}

async function complete(challenge: SigningChallenge, factors: Factors): Promise<void> {
  messages.showStatus('signing_in')
  const next = await completeLogin(challenge, factors)
  signedIn = true
  signer.lock()
  forgetAll()
  guard.finish('signed_in', ownAddress(next, page.accountUrl))
}

/** Handle an error that ends the challenge. Returns whether the person was informed. */
function handleExpired(error: unknown): boolean {
  if (isRefused(error, 'invalid_challenge')) {
    challengeExpired()
    return true
  }
  if (isRefused(error, 'not_authorized')) {
    forget()
    steps.go('username')
  }
  return false
}

const submitted: Readonly<Record<Step, () => Promise<void>>> = {
  username: begin,
  code: presentCode,
  expired: sendCode,
  resumed: sendCode,
  password: signWithPassword,
  passkey: signWithPasskey,
  second: signWithSecond,
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
  if (persisted && signedIn) location.reload()
})
enablePasswordToggles()
updatePasskeyOffer()
enablePage()
personFields.show()
if (!steps.resume()) void autofill.start()
code.resume()
