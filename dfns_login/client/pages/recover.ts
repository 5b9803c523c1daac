// `/recover/`: a mailed code and the recovery kit, then a new password and a new kit.

import { WrongPasswordError } from '../errors.js'
import { KitMistypedError, parseKit, signNewCredentials, type KitKey } from '../kit.js'
import { standardVault } from '../vault.js'
import { Desk } from './busy.js'
import { CodeMailing, isSame, type Person } from './code_mailing.js'
import { find, findAll, seek } from './dom.js'
import { Enrolment, type EnrolmentChallenge, type EnrolmentStep } from './enrolment.js'
import { Field } from './fields.js'
import { Messages } from './messages.js'
import { api, started } from './page_data.js'
import { PersonFields } from './person_fields.js'
import { isRefused } from './refusals.js'
import { Steps } from './steps.js'
import { text } from './texts.js'

type Step = 'username' | 'code' | EnrolmentStep

interface RecoveryChallenge extends EnrolmentChallenge {
  allowedRecoveryCredentials: readonly { id: string; encryptedRecoveryKey: string }[]
}

const form = find('form[data-recover]', HTMLFormElement)
const desk = new Desk(form, new Messages(form))
const { messages } = desk
const who = new PersonFields()
const code = new Field('code')
const kit = new Field('kit')
const kitFile = find('#kit-file', HTMLInputElement)
const kitFileError = new Field('kit-file')
const mailing = new CodeMailing('POST', 'auth/recover/user/code', desk)
const vault = standardVault()

/** Whom a code was mailed to. */
let mailed: Person | undefined
/** The key that the kit opened. */
let recoveryKey: { key: CryptoKey; credId: string } | undefined

const steps = new Steps<Step>(
  form,
  { username: 0, code: 1, expired: 1, password: 2, passkey: 3, kit: 4 },
  'username',
  (wanted) => (wanted === undefined && !recoveryKey ? 'username' : (enrolment.where(wanted) ?? 'code')),
)
const enrolment = new Enrolment(desk, steps, async (newCredentials, bearer) => {
  if (!recoveryKey) throw new Error('No recovery key was opened.')
  const recovery = await signNewCredentials(recoveryKey.key, recoveryKey.credId, newCredentials)
  await api.call('POST', 'auth/recover/user', { recovery, newCredentials }, { bearer })
})

/** The kit key as it was typed; null, and the person told what is wrong, if it is none. */
function typedKit(): KitKey | null {
  const typed = kit.given('missing.kit')
  if (typed === null) return null
  try {
    return parseKit(typed)
  } catch (error) {
    if (!(error instanceof KitMistypedError)) throw error
    kit.refuse(text(`kit.${error.problem}`))
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
  if (found === undefined) return kitFileError.refuse(text('kit.not_in_file'))
  kit.accept()
  kit.input.value = found.trim()
  messages.say('kit.read')
}

async function mailCode(): Promise<void> {
  const person = who.ask()
  if (!person || !(await mailing.send(person, (error) => who.tellRefused(error)))) return
  if (!isSame(mailed, person)) code.input.value = ''
  mailed = person
  code.accept()
  if (steps.current === 'code') messages.say('code.sent')
  else enterCode()
}

function enterCode(): void {
  const person = who.ask()
  if (!person) return
  for (const place of findAll('[data-username]', HTMLElement)) place.textContent = person.username
  messages.clear()
  steps.go('code')
}

/** The code is spent, and the kit opens nothing. */
function tellOtherKit(): void {
  code.input.value = ''
  kit.refuse(text('kit.not_this'))
}

async function presentCode(): Promise<void> {
  const person = who.ask()
  const verificationCode = person && code.given('missing.code')
  if (!person || verificationCode === null) return
  const parsed = typedKit()
  if (!parsed) return
  const { organization, username } = person
  let challenge: RecoveryChallenge | undefined
  await desk.work(
    'code.checking',
    async () => {
      const body = { username, orgId: organization, verificationCode, credentialId: parsed.credId }
      const opened = await api.call<RecoveryChallenge>('POST', 'auth/recover/user/init', body)
      messages.say('kit.opening')
      const released = opened.allowedRecoveryCredentials.find(({ id }) => id === parsed.credId)
      const key = await vault.open(released?.encryptedRecoveryKey ?? '', parsed.secret)
      recoveryKey = { key, credId: parsed.credId }
      challenge = { ...opened, excludeCredentials: [] } // they end with this recovery
    },
    (error) => {
      if (isRefused(error, 'invalid_code')) {
        code.refuse(text('refused.invalid_code'))
        code.input.select()
        return true
      }
      if (!isRefused(error, 'not_a_recovery_credential') && !(error instanceof WrongPasswordError)) return false
      tellOtherKit()
      return true
    },
  )
  if (!challenge) return
  code.input.value = ''
  mailed = undefined
  enrolment.begin(person, challenge)
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  const { current } = steps
  if (desk.busy) return
  if (current === 'username') void (isSame(mailed, who.ask() ?? undefined) && mailed ? enterCode() : mailCode())
  else if (current === 'expired') void mailCode()
  else if (current === 'code') void presentCode()
  else void enrolment.submit(current)
})
kit.input.addEventListener('keydown', (event) => {
  if (!(event instanceof KeyboardEvent) || event.key !== 'Enter' || event.isComposing) return
  event.preventDefault()
  form.requestSubmit()
})
kitFile.addEventListener('change', () => void readKitFile())
find('[data-send-again]', HTMLButtonElement).addEventListener('click', () => void mailCode())
seek('[data-have-code]', HTMLButtonElement)?.addEventListener('click', enterCode)
for (const button of findAll('[data-go=username]', HTMLButtonElement)) {
  form.addEventListener('step', () => (button.hidden = steps.current !== 'code')) // a code opens one account
  button.addEventListener('click', () => {
    messages.clear()
    messages.say()
    steps.go('username')
  })
}
started()
