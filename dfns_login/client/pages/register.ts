// `/register/`: the emailed code, then a password, an optional passkey and a recovery kit.

import { BusyGuard } from './busy_guard.js'
import { CodeField } from './code_field.js'
import { CodeSender } from './code_sender.js'
import { find, findOptional } from './dom.js'
import { Enrollment, type EnrollmentChallenge, type EnrollmentStep } from './enrollment.js'
import { isRefused, reportUnhandled } from './error_messages.js'
import { Messages } from './messages.js'
import { api, enablePage } from './page_data.js'
import { PersonFields } from './person_fields.js'
import { Steps } from './steps.js'
import { text } from './texts.js'

type Step = 'code' | EnrollmentStep

const form = find('form[data-enrollment]', HTMLFormElement)
const guard = new BusyGuard(form, new Messages(form))
reportUnhandled(guard.messages)
const personFields = new PersonFields()
const code = new CodeField()
const sender = new CodeSender('PUT', 'auth/registration/code', guard)
const steps = new Steps<Step>(
  form,
  { code: 0, expired: 1, resumed: 1, password: 1, passkey: 2, kit: 3, done: 3 },
  'code',
  (wanted) => enrollment.stepFor(wanted) ?? 'code',
  () => (enrollment.offersPasskey ? 4 : 3),
)
const enrollment = new Enrollment(guard, steps, () => personFields.person, (credentials, bearer) =>
  api.call('POST', 'auth/registration', credentials, { bearer }),
)

const known = findOptional('[data-known-username]', HTMLElement)

/** Show the field for the username or, if the template has a place for it, the known username as text. */
function showField(shown: boolean): void {
  if (!known) return
  known.hidden = shown
  find('[data-username-field]', HTMLElement).hidden = !shown
}

function showRefused(error: unknown): boolean {
  if (isRefused(error, 'invalid_request')) showField(true)
  return personFields.showRefused(error)
}

async function presentCode(): Promise<void> {
  const person = personFields.required()
  const registrationCode = person && code.requiredCode()
  if (!person || registrationCode === null) return
  const { organization, username } = person
  let challenge: EnrollmentChallenge | undefined
  await guard.run(
    'code.checking',
    async () => {
      const body = { username, orgId: organization, registrationCode }
      challenge = await api.call<EnrollmentChallenge>('POST', 'auth/registration/init', body)
    },
    (error) => {
      const refused = isRefused(error, 'invalid_code') || isRefused(error, 'registration_code_expired')
      if (!refused) return showRefused(error)
      code.showError(text('refused.invalid_code'))
      return true
    },
  )
  if (!challenge) return
  code.clear() // the code is used up
  personFields.show()
  enrollment.begin(person, challenge)
}

async function sendCode(): Promise<void> {
  const person = personFields.required()
  if (!person || !(await sender.send(person, showRefused))) return
  if (steps.current !== 'code') steps.go('code')
  guard.messages.showStatus('code.sent')
  code.input.focus()
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  const { current } = steps
  if (guard.busy) return
  if (current === 'code') void presentCode()
  else if (current === 'expired' || current === 'resumed') void sendCode()
  else void enrollment.submit(current)
})
find('[data-send-again]', HTMLButtonElement).addEventListener('click', () => void sendCode())
known?.querySelector('button')?.addEventListener('click', () => {
  showField(true)
  find('#username', HTMLInputElement).focus()
})
enablePage()
personFields.show()
showField(personFields.username === '')
if (!steps.resume() && personFields.username) code.input.focus({ preventScroll: true })
