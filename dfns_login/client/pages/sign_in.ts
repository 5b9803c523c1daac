// `/login/`: e-mail address, then code, then password; or a passkey. What was typed stays until it was of use.

import { WrongPasswordError } from '../errors.js'
import { getPasskey, passkeysAreThere } from '../passkey.js'
import { PasswordProtectedKeySigner } from '../signer.js'
import type { PasswordProtectedKeyAssertion, SigningChallenge } from '../wire.js'
import { Desk } from './busy.js'
import { Countdown, shownIn } from './clocks.js'
import { isSame, type Person } from './code_mailing.js'
import { ownAddress } from './destination.js'
import { find, findAll, seek } from './dom.js'
import { Field, letPasswordsBeShown } from './fields.js'
import { completeLogin, hasPasskey, hasPassword, needsSecond, type Factors } from './login_challenge.js'
import { LoginCode } from './login_code.js'
import { Messages } from './messages.js'
import { api, page, started } from './page_data.js'
import { PersonFields } from './person_fields.js'
import { isRefused } from './refusals.js'
import { Steps } from './steps.js'
import { text } from './texts.js'

type Step = 'username' | 'code' | 'expired' | 'password' | 'passkey' | 'second'

const form = find('form[data-sign-in]', HTMLFormElement)
const desk = new Desk(form, new Messages(form))
const { messages } = desk
const who = new PersonFields()
const password = new Field('password')
const passkeyOffer = find('[data-passkey]', HTMLElement)
const code = new LoginCode(desk, codeExpired, enterCode)
const signer = new PasswordProtectedKeySigner({ password: () => password.value })

/** What is to be signed, once the code was accepted. */
let opened: (Person & { challenge: SigningChallenge }) | undefined
let keyFactor: PasswordProtectedKeyAssertion | undefined
let signedIn = false

const time = new Countdown(shownIn(findAll('[data-answer] [data-clock]', HTMLElement)), challengeExpired)
const steps = new Steps<Step>(
  form,
  { username: 0, code: 1, expired: 1, password: 2, passkey: 2, second: 3 },
  'username',
  (wanted) => {
    if (wanted === 'password' && opened && hasPassword(opened.challenge)) return wanted
    return wanted === 'code' && code.wasMailed ? wanted : 'username'
  },
)

function codeExpired(): void {
  if (steps.current === 'code') messages.warn(text('code.expired'))
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

function showOffer(): void {
  const { challenge } = opened ?? {}
  const offered =
    steps.current === 'username'
      ? passkeysAreThere()
      : steps.current === 'password' && challenge !== undefined && hasPasskey(challenge)
  passkeyOffer.hidden = !offered || (challenge !== undefined && needsSecond(challenge, 'Fido2'))
}

function enterCode(): void {
  const person = who.ask()
  if (!person) return
  messages.clear()
  for (const place of findAll('[data-username]', HTMLElement)) place.textContent = person.username
  steps.go('code')
}

async function mailCode(): Promise<void> {
  const person = who.ask()
  if (!person || !(await code.mail(person, (error) => who.tellRefused(error)))) return
  if (steps.current === 'code') messages.say('code.sent')
  else enterCode()
}

async function begin(): Promise<void> {
  const person = who.ask()
  if (!person) return
  if (opened && isSame(opened, person)) return steps.go(hasPassword(opened.challenge) ? 'password' : 'passkey')
  if (opened) forget()
  if (code.countsFor(person)) enterCode()
  else await mailCode()
}

async function presentCode(): Promise<void> {
  const person = who.ask()
  const loginCode = person && code.field.given('missing.code')
  if (!person || loginCode === null) return
  const { organization, username } = person
  let challenge: SigningChallenge | undefined
  await desk.work(
    'code.checking',
    async () => {
      const body = { username, orgId: organization, loginCode }
      challenge = await api.call<SigningChallenge>('POST', 'auth/login/init', body)
    },
    (error) => {
      if (!isRefused(error, 'invalid_code')) return who.tellRefused(error)
      code.field.refuse(text('refused.invalid_code'))
      code.field.input.select()
      return true
    },
  )
  if (challenge) goOn(person, challenge)
}

function goOn(person: Person, challenge: SigningChallenge): void {
  code.spend()
  opened = { ...person, challenge }
  time.start(Date.now() + page.challengeLifetime)
  if (hasPassword(challenge)) steps.go('password')
  else if (hasPasskey(challenge)) steps.go('passkey')
  else {
    forget()
    steps.go('username')
    messages.warn(text('no_way_in'))
  }
}

async function signWithPassword(): Promise<void> {
  if (password.value === '') return password.refuse(text('missing.password'))
  const { challenge } = opened ?? {}
  if (!challenge) return challengeExpired()
  const done = await desk.work(
    'key.opening',
    async () => {
      const factor = await signer.sign(challenge)
      if (needsSecond(challenge, 'PasswordProtectedKey')) keyFactor = factor
      else await complete(challenge, { firstFactor: factor })
    },
    (error) => {
      if (!(error instanceof WrongPasswordError)) return wasOver(error)
      password.refuse(text('wrong_password'))
      password.input.select()
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
  await desk.work(
    'passkey.waiting',
    async () => complete(challenge, { firstFactor, secondFactor: await getPasskey(challenge) }),
    wasOver,
  )
}

async function signWithPasskey(): Promise<void> {
  const orgId = who.askOrganization()
  if (orgId === null) return
  await desk.work(
    'passkey.waiting',
    async () => {
      const challenge = opened?.challenge ?? (await api.call<SigningChallenge>('POST', 'auth/login/init', { orgId }))
      if (needsSecond(challenge, 'Fido2')) return messages.warn(text('passkey.not_alone'))
      await complete(challenge, { firstFactor: await getPasskey(challenge) })
    },
    (error) => {
      if (!isRefused(error, 'not_authorized')) return wasOver(error)
      messages.warn(text('passkey.unknown'))
      return true
    },
  )
}

async function complete(challenge: SigningChallenge, factors: Factors): Promise<void> {
  messages.say('signing_in')
  const next = await completeLogin(challenge, factors)
  signedIn = true
  signer.lock()
  desk.leave('signed_in', ownAddress(next, page.accountUrl))
}

/** Whether the server takes this challenge no more, and the person was told. */
function wasOver(error: unknown): boolean {
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
  expired: mailCode,
  password: signWithPassword,
  passkey: signWithPasskey,
  second: signWithSecond,
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  if (!desk.busy) void submitted[steps.current]()
})
form.addEventListener('step', showOffer)
for (const button of findAll('[data-go=username]', HTMLButtonElement)) {
  button.addEventListener('click', () => {
    messages.clear()
    messages.say()
    steps.go('username')
  })
}
find('[data-send-again]', HTMLButtonElement).addEventListener('click', () => void mailCode())
seek('[data-use-passkey]', HTMLButtonElement)?.addEventListener('click', () => void signWithPasskey())
window.addEventListener('pageshow', ({ persisted }) => {
  if (persisted && signedIn) location.reload()
})
letPasswordsBeShown()
showOffer()
started()
