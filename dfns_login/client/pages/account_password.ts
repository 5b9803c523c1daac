// Changing the password: the key is opened with the old one, locked with the new one, and replaced in one step.

import { WrongPasswordError } from '../errors.js'
import { standardVault } from '../vault.js'
import type { SigningChallenge } from '../wire.js'
import type { Credential } from './account_credentials.js'
import type { AccountPage } from './account_page.js'
import { Dialog } from './dialogs.js'
import { Field } from './fields.js'
import { NewPassword } from './new_password.js'
import { api } from './page_data.js'
import { text } from './texts.js'

export class PasswordChange {
  readonly #account: AccountPage
  readonly #vault = standardVault()
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

  /** Ask for the passwords, or to sign in again where this session is not given the key. */
  async ask(credential: Credential): Promise<void> {
    const { desk, confirmation } = this.#account
    await desk.work(
      'asking',
      async () => {
        const keys = await confirmation.encryptedKeys()
        this.#envelope = keys.find(({ id }) => id === credential.credentialId)?.encryptedPrivateKey ?? ''
      },
      this.#account.told(desk),
    )
    this.#credential = credential
    if (this.#envelope === '') this.#account.askToSignInAgain()
    else this.#dialog.open(() => this.#forget())
  }

  async #submit(): Promise<void> {
    const current = this.#current.value
    if (current === '') return this.#current.refuse(text('missing.current-password'))
    const { desk } = this.#dialog
    const usual = this.#account.told(desk)
    let chosen: string | null = null
    await desk.work('password.checking', async () => {
      chosen = await this.#new.ask()
    })
    if (chosen === null) return
    const password: string = chosen
    const changed = await desk.work(
      'key.changing',
      () => this.#replace(current, password),
      (error) => {
        if (!(error instanceof WrongPasswordError)) return usual(error)
        this.#current.refuse(text('wrong_password'))
        this.#current.input.select()
        return true
      },
    )
    if (!changed) return
    this.#dialog.close()
    this.#forget()
    await this.#account.show('done.password')
  }

  async #replace(current: string, password: string): Promise<void> {
    const { credentialUuid = '', credentialId = '' } = this.#credential ?? {}
    const { key, envelope } = await this.#vault.reseal(this.#envelope, current, password)
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
