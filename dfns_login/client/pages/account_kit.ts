// A new recovery kit. The one before it ends when this one is said to be kept, and not sooner.

import { newKit, recoveryCredential } from '../kit.js'
import { standardVault } from '../vault.js'
import type { Credential, CredentialChallenge, Credentials } from './account_credentials.js'
import type { AccountPage } from './account_page.js'
import { Dialog } from './dialogs.js'
import { find } from './dom.js'
import { KitView } from './kit_view.js'
import { dayElement } from './moments.js'
import { api } from './page_data.js'
import { text, textWith } from './texts.js'

export class RecoveryKits {
  readonly #account: AccountPage
  readonly #credentials: Credentials
  readonly #vault = standardVault()
  readonly #dialog: Dialog
  readonly #view: KitView
  readonly #made = find('[data-kit-made]', HTMLElement)
  readonly #missing = find('[data-kit-missing]', HTMLElement)
  readonly #formerEnds = find('[data-former-kit]', HTMLElement)
  #former: readonly Credential[] = []

  constructor(account: AccountPage, credentials: Credentials) {
    this.#account = account
    this.#credentials = credentials
    this.#dialog = new Dialog('kit', () => this.#keep())
    this.#view = new KitView(this.#dialog.desk.messages)
    find('[data-new-kit]', HTMLButtonElement).addEventListener('click', () => void this.#make())
  }

  /** Say which kit there is. */
  show(): void {
    const newest = this.#kits().at(-1)
    this.#made.hidden = newest === undefined
    this.#missing.hidden = newest !== undefined
    if (newest) this.#made.replaceChildren(...textWith('kit.made', { date: dayElement(newest.dateCreated) }))
  }

  #kits(): readonly Credential[] {
    return this.#credentials.all.filter(({ kind, isActive }) => kind === 'RecoveryKey' && isActive)
  }

  async #make(): Promise<void> {
    const { desk, confirmation, person } = this.#account
    const former = this.#kits()
    await desk.work(
      'asking',
      async () => {
        await confirmation.prepare()
        desk.messages.say('kit.making')
        const kit = await newKit(this.#vault)
        const challenge = await api.call<CredentialChallenge>('POST', 'auth/credentials/init', { kind: 'RecoveryKey' })
        const { challengeIdentifier } = challenge
        const made = await recoveryCredential(kit, challenge.challenge)
        const body = { challengeIdentifier, credentialName: text('name.kit'), ...made }
        await api.signed('POST', 'auth/credentials', body, confirmation.sign)
        this.#former = former
        this.#formerEnds.hidden = former.length === 0
        this.#view.show(kit, person)
        this.#dialog.open()
      },
      this.#account.told(desk),
    )
  }

  async #keep(): Promise<void> {
    if (!this.#view.isKept()) return
    const { desk } = this.#dialog
    const ended = await desk.work('asking', () => this.#endFormer(), this.#account.told(desk))
    if (!ended) return
    this.#view.clear()
    this.#dialog.close()
    await this.#account.show('done.kit')
  }

  async #endFormer(): Promise<void> {
    for (const { credentialUuid } of this.#former) {
      const { confirmation } = this.#account
      await api.signed('PUT', 'auth/credentials/deactivate', { credentialUuid }, confirmation.sign)
    }
    this.#former = []
  }
}
