// `/recover/`: the emailed code and the recovery kit, then a new password and a new kit.

import { WrongPasswordError } from '../errors.js'
import { InvalidKitKeyError, type KitKey, parseKit, signNewCredentials } from '../kit.js'
import { KeyReader } from '../key_reader.js'
import { BusyGuard } from './busy_guard.js'
import { CodeField } from './code_field.js'
import { grouped, significant } from './code_text.js'
import { CodeSender, isSamePerson, type Person } from './code_sender.js'
import { timeElement } from './dates.js'
import { find, findAll, findOptional } from './dom.js'
import { Enrollment, type EnrollmentChallenge, type EnrollmentStep } from './enrollment.js'
import { isRefused } from './error_messages.js'
import { Field } from './fields.js'
import { memory, remember } from './memory.js'
import { Messages } from './messages.js'
import { api, enablePage, pageVault } from './page_data.js'
import { PersonFields } from './person_fields.js'
import { Steps } from './steps.js'
import { text } from './texts.js'

type Step = 'username' | 'code' | EnrollmentStep

const KIT_KEY_LENGTH = 40 // characters, without dashes

interface RecoveryChallenge extends EnrollmentChallenge {
  allowedRecoveryCredentials: readonly { id: string; encryptedRecoveryKey: string }[]
}

const form = find('form[data-enrollment]', HTMLFormElement)
const guard = new BusyGuard(form, new Messages(form))
const { messages } = guard
const personFields = new PersonFields(() => {
  if (steps.current !== 'username') void begin().then(() => code.input.focus())
})
const code = new CodeField()
const kit = new Field('kit')
const kitFile = find('#kit-file', HTMLInputElement)
const kitFileError = new Field('kit-file')
const sender = new CodeSender('POST', 'auth/recover/user/code', guard)
const vault = pageVault()

/** The person that the last code was sent to. */
let recipient: Person | undefined = memory.sent
/** The recovery key, decrypted with the kit. */
let recoveryKey: { key: CryptoKey; credId: string } | undefined

const steps = new Steps<Step>(
  form,
  { username: 0, code: 1, expired: 1, resumed: 1, password: 2, passkey: 3, kit: 4, done: 4 },
  'username',
  (wanted) => {
    if (!recoveryKey && (wanted === undefined || !personFields.username)) return 'username'
    return enrollment.stepFor(wanted) ?? 'code'
  },
  () => (enrollment.offersPasskey ? 5 : 4),
)
const enrollment = new Enrollment(guard, steps, () => personFields.person, async (newCredentials, bearer) => {
  if (!recoveryKey) throw new Error('The recovery key was not decrypted.')
  const recovery = await signNewCredentials(recoveryKey.key, recoveryKey.credId, newCredentials)
  return api.call('POST', 'auth/recover/user', { recovery, newCredentials }, { bearer })
})

/** The kit key. If it is missing or invalid, show an error and return null. */
function requiredKit(): KitKey | null {
  const typed = kit.required('missing.kit')
  if (typed === null) return null
  try {
    return parseKit(typed)
  } catch (error) {
    if (!(error instanceof InvalidKitKeyError)) throw error
    kit.showError(text(`kit.${error.problem}`))
    return null
  }
}

async function readKitFile(): Promise<void> {
  const lines = ((await kitFile.files?.[0]?.text()) ?? '').slice(0, 65_536).split(/\r?\n/)
  const found = lines.find((line) => {
    try {
      return parseKit(line)
    } catch {
      return false
    }
  })
  kitFile.value = ''
  if (found === undefined) return kitFileError.showError(text('kit.not_in_file'))
  kit.clearError()
  kit.input.value = found.trim()
  messages.showStatus('kit.read')
}

function setRecipient(person: Person | undefined): void {
  recipient = person
  remember({ sent: person })
}

async function sendCode(): Promise<void> {
  const person = personFields.required()
  if (!person || !(await sender.send(person, (error) => personFields.showRefused(error)))) return
  if (!isSamePerson(recipient, person)) code.clear()
  setRecipient(person)
  code.clearError()
  if (steps.current === 'code') messages.showStatus('code.sent')
  else enterCode()
}

async function begin(): Promise<void> {
  const person = personFields.required()
  if (person && isSamePerson(recipient, person)) enterCode()
  else if (person) await sendCode()
}

function enterCode(): void {
  const person = personFields.required()
  if (!person) return
  personFields.show()
  messages.clearError()
  steps.go('code')
}

/** The server used up the code, but the kit is not for this account. */
function rejectKit(): void {
  code.clear()
  kit.showError(text('kit.wrong'))
}

/** The server used up the code. The recovery can be completed in this many seconds, with a new code. */
function showWait(seconds: number): void {
  code.clear()
  setRecipient(undefined)
  const ready = new Date(Math.ceil((Date.now() + seconds * 1000) / 60_000) * 60_000) // shown to the minute
  messages.showErrorWith('recovery.waiting', { moment: timeElement(ready.toISOString()) })
}

async function presentCode(): Promise<void> {
  const person = personFields.required()
  const verificationCode = person && code.requiredCode()
  if (!person || verificationCode === null) return
  const parsed = requiredKit()
  if (!parsed) return
  const { organization, username } = person
  let challenge: RecoveryChallenge | undefined
  await guard.run(
    'code.checking',
    async () => {
      const reader = await KeyReader.create()
      const body = {
        username,
        orgId: organization,
        verificationCode,
        credentialId: parsed.credId,
        ephemeralPublicKey: reader.publicKey,
      }
      const opened = await api.call<RecoveryChallenge>('POST', 'auth/recover/user/init', body)
      messages.showStatus('kit.unlocking')
      const released = opened.allowedRecoveryCredentials.find(({ id }) => id === parsed.credId)
      const envelope = await reader.read(parsed.credId, released?.encryptedRecoveryKey ?? '')
      const key = await vault.open(envelope, parsed.secret)
      recoveryKey = { key, credId: parsed.credId }
      challenge = { ...opened, excludeCredentials: [] } // recovery deactivates them
    },
    (error) => {
      if (isRefused(error, 'invalid_code')) {
        code.showError(text('refused.invalid_code'))
        return true
      }
      if (isRefused(error, 'recovery_waiting')) {
        showWait(error.retryAfter ?? 0)
        return true
      }
      if (!isRefused(error, 'not_a_recovery_credential') && !(error instanceof WrongPasswordError)) return false
      rejectKit()
      return true
    },
  )
  if (!challenge) return
  code.clear()
  setRecipient(undefined)
  enrollment.begin(person, challenge)
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  const { current } = steps
  if (guard.busy) return
  if (current === 'username') void begin()
  else if (current === 'expired' || current === 'resumed') void sendCode()
  else if (current === 'code') void presentCode()
  else void enrollment.submit(current)
})
kit.input.addEventListener('input', () => {
  const { value } = kit.input // pasted with one group per line, or as it is in the kit
  if (value.includes('\n') && significant(value).length === KIT_KEY_LENGTH) kit.input.value = grouped(significant(value))
})
kit.input.addEventListener('keydown', (event) => {
  if (!(event instanceof KeyboardEvent) || event.key !== 'Enter' || event.isComposing) return
  event.preventDefault()
  form.requestSubmit()
})
kitFile.addEventListener('change', () => void readKitFile())
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
