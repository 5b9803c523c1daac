// Change the password: re-encrypt the key with the new password and replace it in one step.

import { WrongPasswordError } from '../errors.js'
import type { SigningChallenge } from '../wire.js'
import type { Credential } from './account_credentials.js'
import type { AccountPage } from './account_page.js'
import { Dialog } from './dialogs.js'
import { Field } from './fields.js'
import { NewPassword } from './new_password.js'
import { api, pageVault } from './page_data.js'
import { text } from './texts.js'

export class PasswordChange {
  readonly #account: AccountPage
  readonly #vault = pageVault()
  readonly #dialog: Dialog
  readonly #current: Field
  readonly #new: NewPassword
  #credential: Credential | undefined
  #envelope = ''

  constructor(account: AccountPage) {
    this.#account = account
    this.#dialog = new Dialog('password', () => this.#submit())
    this.#current = new Field('current-password')
    this.#new = new NewPassword(() => [account.person.username, location.hostname])
  }

  /** Open the dialog, or ask the person to sign in again if this session can't use the key. */
  async open(credential: Credential): Promise<void> {
    const { guard, confirmation } = this.#account
    await guard.run(
      'working',
      async () => {
        const keys = await confirmation.encryptedKeys()
        this.#envelope = keys.find(({ id }) => id === credential.credentialId)?.encryptedPrivateKey ?? ''
      },
      this.#account.errorHandler(guard),
    )
    this.#credential = credential
    if (this.#envelope === '') this.#account.askToSignInAgain()
    else this.#dialog.open(() => this.#forget())
  }

  async #submit(): Promise<void> {
    const current = this.#current.value
    if (current === '') return this.#current.showError(text('missing.current-password'))
    const { guard } = this.#dialog
    const handleError = this.#account.errorHandler(guard)
    let chosen: string | null = null
    await guard.run('password.checking', async () => {
      chosen = await this.#new.validated()
    })
    if (chosen === null) return
    const password: string = chosen
    const changed = await guard.run(
      'key.changing',
      () => this.#replace(current, password),
      (error) => {
        if (!(error instanceof WrongPasswordError)) return handleError(error)
        this.#current.showError(text('wrong_password'))
        return true
      },
    )
    if (!changed) return
    this.#dialog.close()
    this.#forget()
    await this.#account.reload('done.password')
  }

  async #replace(current: string, password: string): Promise<void> {
    const { credentialUuid = '', credentialId = '' } = this.#credential ?? {}
    const { key, envelope } = await this.#vault.reencrypt(this.#envelope, current, password)
    const body = { credentialUuid, encryptedPrivateKey: envelope }
    await api.signed('PUT', 'auth/credentials/key', body, (challenge: SigningChallenge) =>
      this.#account.confirmation.signWith(key, credentialId, challenge),
    )
  }

  #forget(): void {
    this.#envelope = ''
    this.#current.input.value = ''
    this.#new.clear()
  }
}
