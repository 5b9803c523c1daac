import { useActionState, type ComponentProps, type ReactNode } from 'react'
import { LoginError } from '@dfns-login/client'

type Told = { status?: string; error?: string }
type Action = (entered: Record<string, string>) => Promise<string | void>

/** A form that shows what its action returns, or why it failed. */
export function Form(props: { action: Action; button: string; title?: string; children?: ReactNode }) {
  const [{ status, error }, submit, pending] = useActionState<Told, FormData>(async (_, entered) => {
    try {
      return { status: (await props.action(Object.fromEntries(entered) as Record<string, string>)) ?? '' }
    } catch (error) {
      if (!(error instanceof LoginError || error instanceof DOMException)) throw error // a bug: for the error boundary
      return { error: error instanceof LoginError ? error.message : 'No passkey was used.' }
    }
  }, {})
  return (
    <form action={submit}>
      {props.title && <h2>{props.title}</h2>}
      {props.children}
      <button disabled={pending}>{pending ? 'Please wait …' : props.button}</button>
      <p role="status">{status}</p>
      <p role="alert">{error}</p>
    </form>
  )
}

export function Field({ label, ...input }: { label: string } & ComponentProps<'input'>) {
  return <label>{label} <input required {...input} /></label>
}
