// How somebody signs in: shown, renamed, shut, opened again; and a passkey added.

import { createPasskey, passkeysAreThere } from '../passkey.js'
import type { CreationChallenge } from '../wire.js'
import { showRows, type AccountPage } from './account_page.js'
import { agentName } from './agents.js'
import { Dialog } from './dialogs.js'
import { apart, copyOf, find, findAll } from './dom.js'
import { Field } from './fields.js'
import { dayElement } from './moments.js'
import { api } from './page_data.js'
import { isRefused } from './refusals.js'
import { text, textWith } from './texts.js'

export interface Credential {
  kind: string
  credentialId: string
  credentialUuid: string
  dateCreated: string
  isActive: boolean
  name: string
}

/** What a challenge for one more credential says besides. */
export interface CredentialChallenge extends CreationChallenge {
  challengeIdentifier: string
}

const NOT_OTHER = ['PasswordProtectedKey', 'RecoveryKey']

type Deed = 'password' | 'rename' | 'deactivate' | 'activate'

export class Credentials {
  /** As they were last shown. */
  all: readonly Credential[] = []
  readonly #account: AccountPage
  readonly #changePassword: (credential: Credential) => void
  readonly #shown: () => void
  readonly #heading = find('#credentials-heading', HTMLElement)
  readonly #list = find('[data-credentials]', HTMLElement)
  readonly #former = find('[data-former]', HTMLElement)
  readonly #formerList = find('[data-former-credentials]', HTMLElement)
  readonly #name = new Field('new-name')
  readonly #renaming: Dialog
  readonly #deactivating: Dialog
  #chosen: Credential | undefined

  /** changePassword: asks for a new one. shown: called whenever they are shown anew. */
  constructor(account: AccountPage, changePassword: (credential: Credential) => void, shown: () => void) {
    this.#account = account
    this.#changePassword = changePassword
    this.#shown = shown
    this.#renaming = new Dialog('rename', () => this.#rename())
    this.#deactivating = new Dialog('deactivate', () => this.#deactivate())
    const adding = find('[data-add-passkey]', HTMLElement)
    adding.hidden = !passkeysAreThere()
    find('button', HTMLButtonElement, adding).addEventListener('click', () => void this.#addPasskey())
    account.add(() => this.#load())
  }

  async #load(): Promise<void> {
    const { items } = await api.call<{ items: Credential[] }>('GET', 'auth/credentials')
    this.all = items
    const passwords = items.filter(({ kind, isActive }) => kind === 'PasswordProtectedKey' && isActive)
    const others = items.filter(({ kind, isActive }) => !NOT_OTHER.includes(kind) && isActive)
    const former = items.filter(({ isActive }) => !isActive)
    showRows(this.#list, [...passwords, ...others].map((each) => this.#row(each)), this.#heading)
    showRows(this.#formerList, former.map((each) => this.#row(each)), this.#heading)
    this.#former.hidden = former.length === 0
    this.#shown()
  }

  #row(credential: Credential): HTMLElement {
    const { credentialUuid, kind, name, isActive, dateCreated } = credential
    const row = copyOf('template[data-credential-row]')
    row.dataset['row'] = credentialUuid
    const heading = find('[data-name]', HTMLElement, row)
    heading.id = `credential-${credentialUuid}`
    heading.textContent = name
    find('[data-kind]', HTMLElement, row).textContent = text(`kind.${kind}`)
    find('[data-kind-part]', HTMLElement, row).hidden = name === text(`kind.${kind}`)
    find('[data-added]', HTMLElement, row).append(...textWith('added', { date: dayElement(dateCreated) }))
    const may: Readonly<Record<Deed, boolean>> = {
      password: isActive && kind === 'PasswordProtectedKey',
      rename: isActive,
      deactivate: isActive,
      activate: !isActive && kind !== 'RecoveryKey',
    }
    for (const button of findAll('[data-do]', HTMLButtonElement, row)) {
      const deed = button.dataset['do'] as Deed
      button.hidden = !may[deed]
      button.setAttribute('aria-describedby', heading.id)
      button.addEventListener('click', () => this.#do(deed, credential))
    }
    return row
  }

  #do(deed: Deed, credential: Credential): void {
    this.#chosen = credential
    if (deed === 'password') this.#changePassword(credential)
    else if (deed === 'rename') {
      this.#name.accept()
      this.#name.input.value = credential.name
      this.#renaming.open()
      this.#name.input.select()
    } else if (deed === 'deactivate') {
      const name = apart(credential.name)
      find('#deactivate-heading', HTMLElement).replaceChildren(...textWith('deactivate', { name }))
      this.#deactivating.open()
    } else void this.#account.change('done.activate', () => this.#signed('activate', {}))
  }

  #signed(deed: Deed, more: object): Promise<unknown> {
    const body = { credentialUuid: this.#chosen?.credentialUuid, ...more }
    return api.signed('PUT', `auth/credentials/${deed}`, body, this.#account.confirmation.sign)
  }

  async #rename(): Promise<void> {
    const credentialName = this.#name.given('missing.new-name')
    if (credentialName === null) return
    const { desk } = this.#renaming
    const usual = this.#account.told(desk)
    const renamed = await desk.work(
      'asking',
      async () => void (await this.#signed('rename', { credentialName })),
      (error) => {
        if (!isRefused(error, 'invalid_request')) return usual(error)
        this.#name.refuse(text('refused.new-name'))
        return true
      },
    )
    if (!renamed) return
    this.#renaming.close()
    await this.#account.show('done.rename')
  }

  async #deactivate(): Promise<void> {
    const { desk } = this.#deactivating
    const task = async (): Promise<void> => void (await this.#signed('deactivate', {}))
    const shut = await desk.work('asking', task, this.#account.told(desk))
    if (!shut) return
    this.#deactivating.close()
    await this.#account.show('done.deactivate')
  }

  async #addPasskey(): Promise<void> {
    const { desk, confirmation } = this.#account
    await this.#account.change('done.passkey', async () => {
      await confirmation.prepare()
      const challenge = await api.call<CredentialChallenge>('POST', 'auth/credentials/init', { kind: 'Fido2' })
      desk.messages.say('passkey.waiting')
      const made = await createPasskey(challenge)
      desk.messages.say('asking')
      const { challengeIdentifier } = challenge
      const body = { challengeIdentifier, credentialName: agentName(navigator.userAgent), ...made }
      await api.signed('POST', 'auth/credentials', body, confirmation.sign)
    })
  }
}
