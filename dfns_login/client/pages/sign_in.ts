// `/login/`: e-mail address, then code, then password; or a passkey. What was typed stays until it was of use.

import { WrongPasswordError } from '../errors.js'
import { getPasskey, passkeysAreThere } from '../passkey.js'
import { PasswordProtectedKeySigner } from '../signer.js'
import type { Fido2Assertion, PasswordProtectedKeyAssertion, SigningChallenge } from '../wire.js'
import { Desk } from './busy.js'
import { Countdown, shownIn } from './clocks.js'
import { CodeMailing, isSame, type Person } from './code_mailing.js'
import { ownAddress } from './destination.js'
import { find, findAll, seek } from './dom.js'
import { Field, letPasswordsBeShown } from './fields.js'
import { Messages } from './messages.js'
import { api, page, renewCsrfToken, started } from './page_data.js'
import { PersonFields } from './person_fields.js'
import { isRefused } from './refusals.js'
import { Steps } from './steps.js'
import { text } from './texts.js'

type Step = 'username' | 'code' | 'expired' | 'password' | 'passkey' | 'second'
type Factor = PasswordProtectedKeyAssertion | Fido2Assertion

const RENEWAL_MARGIN = 2 * 60 * 1000 // a code with more time left than this is mailed again as it is

const form = find('form[data-sign-in]', HTMLFormElement)
const desk = new Desk(form, new Messages(form))
const { messages } = desk
const who = new PersonFields()
const code = new Field('code')
const password = new Field('password')
const passkeyOffer = find('[data-passkey]', HTMLElement)
const codeTimer = seek('[data-code-timer]', HTMLElement)
const haveCode = seek('[data-have-code]', HTMLElement)
const mailing = new CodeMailing('POST', 'auth/login/code', desk)
const signer = new PasswordProtectedKeySigner({ password: () => password.value })

/** Whom a code was mailed to, and until when it counts; a code from elsewhere counts for nobody knows how long. */
let mailed: (Person & { until: number }) | undefined
/** What is to be signed, once the code was accepted. */
let opened: (Person & { challenge: SigningChallenge; until: number }) | undefined
let keyFactor: PasswordProtectedKeyAssertion | undefined
let signedIn = false

const codeTime = new Countdown(shownIn(findAll('[data-code-timer] [data-clock]', HTMLElement)), codeExpired)
const openTime = new Countdown(
  shownIn(findAll('[data-answer] [data-clock]', HTMLElement)),
  challengeExpired,
)

const steps = new Steps<Step>(
  form,
  { username: 0, code: 1, expired: 1, password: 2, passkey: 2, second: 3 },
  'username',
  (wanted) => {
    if (wanted === 'password' && hasPassword()) return wanted
    return wanted === 'code' && mailed ? wanted : 'username'
  },
)

function hasPassword(): boolean {
  return (opened?.challenge.allowCredentials.passwordProtectedKey?.length ?? 0) > 0
}

function hasPasskey(): boolean {
  return passkeysAreThere() && (opened?.challenge.allowCredentials.webauthn.length ?? 0) > 0
}

function needsSecond(challenge: SigningChallenge, kind: Factor['kind']): boolean {
  return challenge.supportedCredentialKinds.some((each) => each.kind === kind && each.requiresSecondFactor)
}

function codeExpired(): void {
  if (codeTimer) codeTimer.hidden = true
  if (steps.current === 'code') messages.warn(text('code.expired'))
}

function forget(): void {
  opened = keyFactor = undefined
  openTime.stop()
  signer.lock()
}

function challengeExpired(): void {
  forget()
  steps.go('expired')
}

function showOffer(): void {
  const { current } = steps
  const offered = current === 'username' ? passkeysAreThere() : current === 'password' && hasPasskey()
  passkeyOffer.hidden = !offered || (opened !== undefined && needsSecond(opened.challenge, 'Fido2'))
}

function showAnswers({ username }: Person): void {
  for (const place of findAll('[data-username]', HTMLElement)) place.textContent = username
}

async function mailCode(person: Person): Promise<void> {
  const said = await mailing.send(person, (error) => {
    if (haveCode) haveCode.hidden = !isRefused(error, 'too_many_requests')
    return who.tellRefused(error)
  })
  if (!said) return
  const again = mailed && isSame(mailed, person) ? mailed : undefined
  if (!again) code.input.value = ''
  const until = again && again.until - Date.now() > RENEWAL_MARGIN ? again.until : Date.now() + page.codeLifetime
  mailed = { ...person, until }
  codeTime.start(until)
  if (codeTimer) codeTimer.hidden = false
  if (haveCode) haveCode.hidden = true
  code.accept()
  if (steps.current === 'code') messages.say('code.sent')
  else enterCode(person)
}

function enterCode(person: Person): void {
  showAnswers(person)
  steps.go('code')
}

async function begin(): Promise<void> {
  const person = who.ask()
  if (!person) return
  if (isSame(opened, person)) return steps.go(hasPassword() ? 'password' : 'passkey')
  if (opened) forget()
  if (mailed && isSame(mailed, person) && mailed.until > Date.now()) enterCode(person)
  else await mailCode(person)
}

async function presentCode(): Promise<void> {
  const person = who.ask()
  const loginCode = person && code.given('missing.code')
  if (!person || loginCode === null) return
  const { organization, username } = person
  const done = await desk.work(
    'code.checking',
    async () => {
      const body = { username, orgId: organization, loginCode }
      const challenge = await api.call<SigningChallenge>('POST', 'auth/login/init', body)
      opened = { ...person, challenge, until: Date.now() + page.challengeLifetime }
    },
    (error) => {
      if (!isRefused(error, 'invalid_code')) return false
      code.refuse(text('refused.invalid_code'))
      code.input.select()
      return true
    },
  )
  if (!done || !opened) return
  code.input.value = '' // it is spent
  mailed = undefined
  codeTime.stop()
  openTime.start(opened.until)
  if (hasPassword()) steps.go('password')
  else if (hasPasskey()) steps.go('passkey')
  else {
    forget()
    steps.go('username')
    messages.warn(text('no_way_in'))
  }
}

async function signWithPassword(): Promise<void> {
  if (password.value === '') return password.refuse(text('missing.password'))
  const at = opened
  if (!at) return challengeExpired()
  const done = await desk.work(
    'key.opening',
    async () => {
      const factor = await signer.sign(at.challenge)
      if (needsSecond(at.challenge, 'PasswordProtectedKey')) keyFactor = factor
      else await complete(at.challenge, { firstFactor: factor })
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
  const [at, firstFactor] = [opened, keyFactor]
  if (!at || !firstFactor) return challengeExpired()
  await desk.work(
    'passkey.waiting',
    async () => complete(at.challenge, { firstFactor, secondFactor: await getPasskey(at.challenge) }),
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

async function complete(challenge: SigningChallenge, factors: { firstFactor: Factor; secondFactor?: Factor }): Promise<void> {
  messages.say('signing_in')
  const { challengeIdentifier } = challenge
  const body = { challengeIdentifier, next: page.next, ...factors }
  const send = (): Promise<{ next: string }> => api.call('POST', 'login/complete', body)
  const { next } = await send().catch(async (error: unknown) => {
    if (!isRefused(error, 'csrf')) throw error
    await renewCsrfToken()
    return send()
  })
  signedIn = true
  signer.lock()
  desk.leave('signed_in', ownAddress(next, page.accountUrl))
}

/** Whether the server takes this challenge no more, which is told. */
function wasOver(error: unknown): boolean {
  if (isRefused(error, 'invalid_challenge')) {
    challengeExpired()
    return true
  }
  if (isRefused(error, 'not_authorized') && opened) {
    forget()
    steps.go('username')
  }
  return false
}

const submitted: Readonly<Record<Step, () => Promise<void>>> = {
  username: begin,
  code: presentCode,
  expired: async () => {
    const person = who.ask()
    if (person) await mailCode(person)
  },
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
find('[data-send-again]', HTMLButtonElement).addEventListener('click', () => void submitted.expired())
seek('[data-use-passkey]', HTMLButtonElement)?.addEventListener('click', () => void signWithPasskey())
haveCode?.addEventListener('click', () => {
  const person = who.ask()
  if (!person) return
  if (codeTimer) codeTimer.hidden = true
  messages.clear()
  enterCode(person)
})
window.addEventListener('pageshow', ({ persisted }) => {
  if (persisted && signedIn) location.reload()
})
letPasswordsBeShown()
showOffer()
started()
