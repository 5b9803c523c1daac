// `/recover/`: the emailed code, the recovery kit, a new password and a new kit.

import { WrongPasswordError } from '../errors.js'
import { type KitKey, signNewCredentials } from '../kit.js'
import { KeyReader } from '../key_reader.js'
import { BusyGuard } from './busy_guard.js'
import { CodeField } from './code_field.js'
import { CodeSender, isSamePerson, type Person } from './code_sender.js'
import { timeElement } from './dates.js'
import { find, findAll, findOptional } from './dom.js'
import { Enrollment, type EnrollmentChallenge, type EnrollmentStep } from './enrollment.js'
import { isRefused, reportUnhandled } from './error_messages.js'
import { KitField } from './kit_field.js'
import { memory, remember } from './memory.js'
import { Messages } from './messages.js'
import { api, enablePage, page, pageVault } from './page_data.js'
import { PersonFields } from './person_fields.js'
import { Steps } from './steps.js'
import { text } from './texts.js'

type Step = 'username' | 'code' | 'unlock' | EnrollmentStep

interface RecoveryChallenge extends EnrollmentChallenge {
  allowedRecoveryCredentials: readonly { id: string; encryptedRecoveryKey: string }[]
}

/** What the code released, and until when it can be used. */
interface Released extends Person {
  challenge: RecoveryChallenge
  reader: KeyReader
  until: number
}

const form = find('form[data-enrollment]', HTMLFormElement)
const guard = new BusyGuard(form, new Messages(form))
reportUnhandled(guard.messages)
const { messages } = guard
const personFields = new PersonFields(() => {
  if (steps.current !== 'username') void begin().then(() => code.input.focus())
})
const code = new CodeField()
const kit = new KitField()
const sender = new CodeSender('POST', 'auth/recover/user/code', guard)
const vault = pageVault()

/** The person that the last code was sent to. */
let recipient: Person | undefined = memory.sent
/** Stays in memory until a kit has decrypted it, so that another kit can be tried without a new code. */
let released: Released | undefined
/** The recovery key, decrypted with the kit. */
let recoveryKey: { key: CryptoKey; credId: string } | undefined

const steps = new Steps<Step>(
  form,
  { username: 0, code: 1, expired: 1, resumed: 1, unlock: 2, password: 3, passkey: 4, kit: 5, done: 5 },
  'username',
  (wanted) => {
    if (!recoveryKey && (wanted === undefined || !personFields.username)) return 'username'
    if (!recoveryKey && wanted === 'unlock') return unlockStep()
    return enrollment.stepFor(wanted) ?? 'code'
  },
  () => (enrollment.offersPasskey ? 6 : 5),
)
const enrollment = new Enrollment(guard, steps, () => personFields.person, async (newCredentials, bearer) => {
  if (!recoveryKey) throw new Error('The recovery key was not decrypted.')
  const recovery = await signNewCredentials(recoveryKey.key, recoveryKey.credId, newCredentials)
  return api.call('POST', 'auth/recover/user', { recovery, newCredentials }, { bearer })
})

function setRecipient(person: Person | undefined): void {
  recipient = person
  remember({ sent: person })
}

async function sendCode(): Promise<void> {
  const person = personFields.required()
  if (!person || !(await sender.send(person, (error) => personFields.showRefused(error)))) return
  if (!isSamePerson(recipient, person)) code.clear()
  setRecipient(person)
  released = undefined
  code.clearError()
  if (steps.current === 'code') messages.showStatus('code.sent')
  else enterCode()
}

async function begin(): Promise<void> {
  const person = personFields.required()
  if (person && isSamePerson(released, person)) steps.go('unlock')
  else if (person && isSamePerson(recipient, person)) enterCode()
  else if (person) await sendCode()
}

function enterCode(): void {
  const person = personFields.required()
  if (!person) return
  personFields.show()
  messages.clearError()
  steps.go('code')
}

/** The step for the kit, or what has to come before it. */
function unlockStep(): Step {
  if (code.isComplete || isSamePerson(released, personFields.person)) return 'unlock'
  return recipient ? 'code' : 'resumed'
}

/** The code is presented together with the kit, whose id the server asks for. */
async function acceptCode(): Promise<void> {
  if (code.requiredCode() === null) return
  messages.clearError()
  steps.go('unlock')
  if (kit.isComplete) await unlock() // the code was corrected
}

/** The server used up the code. The recovery can be completed in this many seconds, with a new code. */
function showWait(seconds: number): void {
  code.clear()
  setRecipient(undefined)
  const ready = new Date(Math.ceil((Date.now() + seconds * 1000) / 60_000) * 60_000) // shown to the minute
  messages.showErrorWith('recovery.waiting', { moment: timeElement(ready.toISOString()) })
}

/** Present the code. The server uses it up, if the recovery key is the account's. */
async function release(person: Person, credentialId: string): Promise<Released> {
  const reader = await KeyReader.create()
  const { organization, username } = person
  const challenge = await api.call<RecoveryChallenge>('POST', 'auth/recover/user/init', {
    username,
    orgId: organization,
    verificationCode: code.value,
    credentialId,
    ephemeralPublicKey: reader.publicKey,
  })
  code.clear()
  setRecipient(undefined)
  return { ...person, challenge, reader, until: Date.now() + page.challengeLifetime }
}

/** Throws WrongPasswordError, if the kit is for another key. */
async function decrypt({ challenge, reader }: Released, { credId, secret }: KitKey): Promise<CryptoKey> {
  const own = challenge.allowedRecoveryCredentials.find(({ id }) => id === credId)
  if (!own) throw new WrongPasswordError('The kit is for none of the released keys.')
  return vault.open(await reader.read(credId, own.encryptedRecoveryKey), secret)
}

async function unlock(): Promise<void> {
  const person = personFields.required()
  const parsed = person && kit.requiredKit()
  if (!person || !parsed) return
  if (!isSamePerson(released, person)) released = undefined // what another person's code released
  if (unlockStep() !== 'unlock') return steps.go(unlockStep())
  if (released && released.until <= Date.now()) return steps.go('expired')
  const unlocked = await guard.run(
    released ? 'kit.unlocking' : 'code.checking',
    async () => {
      released ??= await release(person, parsed.credId)
      messages.showStatus('kit.unlocking')
      recoveryKey = { key: await decrypt(released, parsed), credId: parsed.credId }
    },
    handleRefused,
  )
  if (!unlocked || !released) return
  const { challenge, until } = released
  released = undefined
  kit.clear()
  enrollment.begin(person, { ...challenge, excludeCredentials: [] }, until) // recovery deactivates them
}

function handleRefused(error: unknown): boolean {
  if (isRefused(error, 'invalid_code')) {
    steps.go('code')
    code.showError(text('refused.invalid_code'))
  } else if (isRefused(error, 'recovery_waiting')) showWait(error.retryAfter ?? 0)
  else if (isRefused(error, 'not_a_recovery_credential') || error instanceof WrongPasswordError) {
    kit.showError(text('kit.wrong'))
  } else return personFields.showRefused(error)
  return true
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  const { current } = steps
  if (guard.busy) return
  if (current === 'username') void begin()
  else if (current === 'expired' || current === 'resumed') void sendCode()
  else if (current === 'code') void acceptCode()
  else if (current === 'unlock') void unlock()
  else void enrollment.submit(current)
})
find('[data-send-again]', HTMLButtonElement).addEventListener('click', () => void sendCode())
findOptional('[data-have-code]', HTMLButtonElement)?.addEventListener('click', enterCode)
for (const button of findAll('[data-go=username]', HTMLButtonElement)) {
  button.addEventListener('click', () => {
    messages.clearError()
    messages.showStatus()
    steps.go('username')
  })
}
enablePage()
personFields.show()
steps.resume()
