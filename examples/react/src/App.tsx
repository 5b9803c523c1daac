import { useEffect, useReducer, useState, useSyncExternalStore } from 'react'
import { Session, type RegistrationChallenge, type SigningChallenge } from '@dfns-login/client'
import { Field, Form } from './Form'

const session = new Session({ baseUrl: import.meta.env.VITE_API, orgId: import.meta.env.VITE_ORGANIZATION })

export function App() {
  const signedIn = useSyncExternalStore(session.subscribe, () => session.signedIn)
  const [attempt, again] = useReducer((last: number) => last + 1, 0)
  if (signedIn) return <main><h1>Example</h1><Account /></main>
  return <main><h1>Example</h1><SignIn key={attempt} /><button onClick={again}>Start again</button></main>
}

function SignIn() {
  const [username, setUsername] = useState('')
  const [registration, setRegistration] = useState<RegistrationChallenge>()
  const [login, setLogin] = useState<SigningChallenge>()

  useEffect(() => {
    const leaving = new AbortController()
    session.signInWithPasskey({ conditional: true, signal: leaving.signal }).catch(() => undefined) // the button remains
    return () => leaving.abort()
  }, [])

  const email = <Field label="Email address" name="address" type="email" autoComplete="username webauthn" defaultValue={username} />
  if (login || registration) return (
    <Form key="password" title={login ? 'Enter your password' : 'Choose a password'} button={login ? 'Sign in' : 'Register'}
      action={async ({ password }) => {
        const challenge = login ?? (await session.register(registration!, password))
        setLogin(challenge) // so that only signing in is repeated if it fails
        await session.signIn(challenge, password)
      }}>
      {email}
      <Field label={login ? 'Password' : 'New password'} name="password" type="password"
        autoComplete={login ? 'current-password' : 'new-password'} minLength={login ? undefined : 8} autoFocus />
    </Form>
  )
  if (username) return (
    <Form key="code" title="Enter the code" button="Continue"
      action={async ({ code }) => setLogin(await session.presentCode(username, code))}>
      <p>If you have an account, a code is on its way to {username}.</p>
      <Field label="Code" name="code" autoComplete="one-time-code" autoFocus />
    </Form>
  )
  return (
    <>
      <Form title="Sign in" button="Email me a code"
        action={({ address }) => session.requestCode(address).then(() => setUsername(address))}>
        {email}
      </Form>
      <Form button="Sign in with a passkey" action={() => session.signInWithPasskey()} />
      <Form title="Register with an invitation" button="Continue" action={async ({ address, code }) => {
        setRegistration(await session.presentRegistrationCode(address, code))
        setUsername(address)
      }}>
        {email}
        <Field label="Registration code" name="code" autoComplete="off" />
      </Form>
    </>
  )
}

function Account() {
  return (
    <>
      <Form title="Your account" button="Add a passkey" action={() => session.addPasskey().then(() => 'Added.')} />
      <Form button="Create a code for another device" action={async () => {
        const expiration = new Date(Date.now() + 60_000).toISOString()
        return (await session.signed<{ code: string }>('POST', 'auth/credentials/code', { expiration })).code
      }} />
      <Form button="Sign out" action={() => session.signOut()} />
    </>
  )
}
