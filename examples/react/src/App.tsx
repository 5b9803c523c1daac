import { Session, type RegistrationChallenge, type SigningChallenge } from '@dfns-login/client'
import { useState, type FormEvent } from 'react'

const { VITE_API: baseUrl, VITE_ORGANIZATION: orgId } = import.meta.env
const session = new Session({ baseUrl, orgId })

export function App() {
  const [message, setMessage] = useState('')
  const [busy, setBusy] = useState(false)
  const [username, setUsername] = useState('')
  const [registration, setRegistration] = useState<RegistrationChallenge>()
  const [login, setLogin] = useState<SigningChallenge>()
  const [signedIn, setSignedIn] = useState(false)

  /** Do it, and show what it returns or the error that it throws. `entered`: the form's only field. */
  const submit = (act: (entered: string) => Promise<string | void>) => async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const entered = String(new FormData(event.currentTarget).get('entered'))
    setBusy(true)
    setMessage((await act(entered).catch((error: Error) => error.message)) ?? '')
    setBusy(false)
  }
  async function requestCode() {
    await session.requestCode(username)
    return 'If you have an account, a code is on its way.'
  }
  async function signIn(challenge: SigningChallenge, password: string) {
    await session.signIn(challenge, password)
    setSignedIn(true)
    return 'You are signed in.'
  }
  async function register(challenge: RegistrationChallenge, password: string) {
    const registered = await session.register(challenge, password)
    setLogin(registered) // so that only signing in is repeated if it fails
    return signIn(registered, password)
  }
  /** A user action: the server requires the key's signature of exactly this request. */
  async function codeForAnotherDevice() {
    const expiration = new Date(Date.now() + 60_000).toISOString()
    return (await session.signed<{ code: string }>('POST', 'auth/credentials/code', { expiration })).code
  }

  const field = (label: string, type: string, autoComplete: string) => (
    <label>{label} <input name="entered" type={type} autoComplete={autoComplete} required /></label>
  )
  const codes = (
    <>
      <form onSubmit={submit(requestCode)}><button>Email me a code</button></form>
      <form onSubmit={submit(async (code) => setLogin(await session.presentCode(username, code)))}>
        {field('Code', 'text', 'one-time-code')}
        <button>Continue</button>
      </form>
      <h2>Register with an invitation</h2>
      <form onSubmit={submit(async (code) => setRegistration(await session.presentRegistrationCode(username, code)))}>
        {field('Registration code', 'text', 'off')}
        <button>Continue</button>
      </form>
    </>
  )
  const withPassword = login ? (
    <form onSubmit={submit((password) => signIn(login, password))}>
      {field('Password', 'password', 'current-password')}
      <button>Sign in</button>
    </form>
  ) : registration && (
    <form onSubmit={submit((password) => register(registration, password))}>
      {field('New password', 'password', 'new-password')}
      <button>Register</button>
    </form>
  )
  const signingIn = (
    <>
      <h1>Sign in</h1>
      <label>
        Email address <input type="email" value={username} onChange={(e) => setUsername(e.target.value)} autoComplete="username" />
      </label>
      {withPassword || codes}
    </>
  )
  const account = (
    <form onSubmit={submit(codeForAnotherDevice)}>
      <h1>Your account</h1>
      <button>Create a code for another device</button>
    </form>
  )
  return (
    <main>
      <p role="status">{busy ? 'Please wait …' : message}</p>
      <fieldset disabled={busy}>{signedIn ? account : signingIn}</fieldset>
    </main>
  )
}
