// Create a new recovery kit. The previous kit stays active until the person confirms that they saved the new one.

import { newKit, recoveryCredential } from '../kit.js'
import type { Credential, CredentialChallenge, Credentials } from './account_credentials.js'
import type { AccountPage } from './account_page.js'
import { dayElement } from './dates.js'
import { Dialog } from './dialogs.js'
import { find } from './dom.js'
import { KitView } from './kit_view.js'
import { api, pageVault } from './page_data.js'
import { text, textWith } from './texts.js'

export class RecoveryKits {
  readonly #account: AccountPage
  readonly #credentials: Credentials
  readonly #vault = pageVault()
  readonly #dialog: Dialog
  readonly #view: KitView
  readonly #created = find('[data-kit-made]', HTMLElement)
  readonly #button = find('[data-new-kit]', HTMLButtonElement)
  readonly #missing = find('[data-kit-missing]', HTMLElement)
  readonly #previousNote = find('[data-former-kit]', HTMLElement)
  #previous: readonly Credential[] = []

  constructor(account: AccountPage, credentials: Credentials) {
    this.#account = account
    this.#credentials = credentials
    this.#dialog = new Dialog('kit', () => this.#confirm())
    this.#view = new KitView(this.#dialog.guard.messages)
    this.#button.addEventListener('click', () => void this.#create())
  }

  /** Show when the current kit was created, or that there is none. */
  show(): void {
    const newest = this.#kits().at(-1)
    this.#created.hidden = newest === undefined
    this.#missing.hidden = newest !== undefined
    this.#button.textContent = text(newest ? 'kit.replace' : 'kit.create')
    if (newest) this.#created.replaceChildren(...textWith('kit.created', { date: dayElement(newest.dateCreated) }))
  }

  #kits(): readonly Credential[] {
    return this.#credentials.all.filter(({ kind, isActive }) => kind === 'RecoveryKey' && isActive)
  }

  async #create(): Promise<void> {
    const { guard, confirmation, person } = this.#account
    const previous = this.#kits()
    await guard.run(
      'working',
      async () => {
        await confirmation.prepare({ to: 'kit' })
        guard.messages.showStatus('kit.creating')
        const kit = await newKit(this.#vault)
        const challenge = await api.call<CredentialChallenge>('POST', 'auth/credentials/init', { kind: 'RecoveryKey' })
        const { challengeIdentifier } = challenge
        const credential = await recoveryCredential(kit, challenge.challenge)
        const body = { challengeIdentifier, credentialName: text('name.kit'), ...credential }
        await api.signed('POST', 'auth/credentials', body, confirmation.signer({ to: 'kit' }))
        this.#previous = previous
        this.#previousNote.hidden = previous.length === 0
        this.#view.show(kit, person)
        this.#dialog.open()
      },
      this.#account.errorHandler(guard),
    )
  }

  async #confirm(): Promise<void> {
    if (!this.#view.isSaved()) return
    const { guard } = this.#dialog
    const deactivated = await guard.run('working', () => this.#deactivatePrevious(), this.#account.errorHandler(guard))
    if (!deactivated) return
    this.#view.clear()
    this.#dialog.close()
    await this.#account.reload('done.kit')
  }

  async #deactivatePrevious(): Promise<void> {
    for (const { credentialUuid } of this.#previous) {
      const sign = this.#account.confirmation.signer({ to: 'kit' })
      await api.signed('PUT', 'auth/credentials/deactivate', { credentialUuid }, sign)
    }
    this.#previous = []
  }
}
