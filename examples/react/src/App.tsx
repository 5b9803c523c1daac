import { useState, type FormEvent } from 'react'
import * as session from './session'

type Fields = { [name: string]: string }

export function App() {
  const [username, setUsername] = useState('')
  const [message, setMessage] = useState('')
  const [busy, setBusy] = useState(false)
  const [signedIn, setSignedIn] = useState(false)
  const submit = (act: (fields: Fields) => Promise<string>) => async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    setBusy(true)
    const fields = Object.fromEntries(new FormData(event.currentTarget)) as Fields
    setMessage(await act(fields).catch((error: Error) => error.message))
    setBusy(false)
  }
  const requestCode = () => session.requestCode(username).then(() => 'A code is on its way.')
  const register = ({ code, password }: Fields) =>
    session.register(username, code, password).then(() => 'You are registered.')
  const signIn = async ({ code, password }: Fields) => {
    await session.signIn(username, code, password)
    setSignedIn(true)
    return 'You are signed in.'
  }
  const fields = (label: string, autoComplete: string) => (
    <>
      <label>{label} <input name="code" autoComplete="one-time-code" required /></label>
      <label>Password <input name="password" type="password" autoComplete={autoComplete} required /></label>
    </>
  )
  const forms = signedIn ? (
    <form onSubmit={submit(session.codeForAnotherDevice)}>
      <h1>Your account</h1>
      <button>Create a code for another device</button>
    </form>
  ) : (
    <>
      <h1>Sign in</h1>
      <label>
        Email address
        <input type="email" autoComplete="username" value={username} onChange={(e) => setUsername(e.target.value)} />
      </label>
      <form onSubmit={submit(requestCode)}><button>Email me a code</button></form>
      <form onSubmit={submit(signIn)}>{fields('Code', 'current-password')}<button>Sign in</button></form>
      <h2>Register with an invitation</h2>
      <form onSubmit={submit(register)}>{fields('Registration code', 'new-password')}<button>Register</button></form>
    </>
  )
  return <main><p role="status">{busy ? 'Please wait …' : message}</p><fieldset disabled={busy}>{forms}</fieldset></main>
}
