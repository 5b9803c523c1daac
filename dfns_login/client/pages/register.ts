// `/register/`: the mailed code, then a password, by wish a passkey, and a recovery kit.

import { Desk } from './busy.js'
import { CodeMailing } from './code_mailing.js'
import { find, findAll } from './dom.js'
import { Enrolment, type EnrolmentChallenge, type EnrolmentStep } from './enrolment.js'
import { Field } from './fields.js'
import { Messages } from './messages.js'
import { api, started } from './page_data.js'
import { PersonFields } from './person_fields.js'
import { isRefused } from './refusals.js'
import { Steps } from './steps.js'
import { text } from './texts.js'

type Step = 'code' | EnrolmentStep

const form = find('form[data-register]', HTMLFormElement)
const desk = new Desk(form, new Messages(form))
const who = new PersonFields()
const code = new Field('code')
const mailing = new CodeMailing('PUT', 'auth/registration/code', desk)
const steps = new Steps<Step>(
  form,
  { code: 0, expired: 1, password: 1, passkey: 2, kit: 3 },
  'code',
  (wanted) => enrolment.where(wanted) ?? 'code',
)
const enrolment = new Enrolment(desk, steps, async (made, bearer) => {
  await api.call('POST', 'auth/registration', made, { bearer })
})

async function presentCode(): Promise<void> {
  const person = who.ask()
  const registrationCode = person && code.given('missing.code')
  if (!person || registrationCode === null) return
  const { organization, username } = person
  let challenge: EnrolmentChallenge | undefined
  await desk.work(
    'code.checking',
    async () => {
      const body = { username, orgId: organization, registrationCode }
      challenge = await api.call<EnrolmentChallenge>('POST', 'auth/registration/init', body)
    },
    (error) => {
      const refused = isRefused(error, 'invalid_code') || isRefused(error, 'registration_code_expired')
      if (!refused) return who.tellRefused(error)
      code.refuse(text('refused.invalid_code'))
      code.input.select()
      return true
    },
  )
  if (!challenge) return
  code.input.value = '' // it is spent
  for (const place of findAll('[data-username]', HTMLElement)) place.textContent = username
  enrolment.begin(person, challenge)
}

async function mailCode(): Promise<void> {
  const person = who.ask()
  if (!person || !(await mailing.send(person, (error) => who.tellRefused(error)))) return
  if (steps.current === 'expired') steps.go('code')
  desk.messages.say('code.sent')
  code.input.focus()
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  const { current } = steps
  if (desk.busy) return
  if (current === 'code') void presentCode()
  else if (current === 'expired') void mailCode()
  else void enrolment.submit(current)
})
find('[data-send-again]', HTMLButtonElement).addEventListener('click', () => void mailCode())
started()
if (who.username) code.input.focus({ preventScroll: true })
