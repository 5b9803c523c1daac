// Sign-in methods: list, rename, deactivate and reactivate them, and add a passkey.

import { createPasskey, passkeysSupported } from '../passkey.js'
import type { CreationChallenge } from '../wire.js'
import { type AccountPage, showRows } from './account_page.js'
import { agentName } from './agents.js'
import { dayElement } from './dates.js'
import { Dialog } from './dialogs.js'
import { cloneTemplate, find, findAll, isolate, type Part, showParts } from './dom.js'
import { isRefused } from './error_messages.js'
import { Field } from './fields.js'
import { api } from './page_data.js'
import { hasText, quoted, text, textWith } from './texts.js'

export interface Credential {
  kind: string
  credentialId: string
  credentialUuid: string
  dateCreated: string
  isActive: boolean
  name: string
  authenticatorName: string
  isBackupEligible: boolean
  isBackedUp: boolean
  dateLastUsed: string | null
}

/** The challenge for a new credential. */
export interface CredentialChallenge extends CreationChallenge {
  challengeIdentifier: string
}

const LISTED_SEPARATELY = ['PasswordProtectedKey', 'RecoveryKey']

type Action = 'password' | 'rename' | 'deactivate' | 'activate'

/** What kind of credential it is; of a passkey, who made it and whether it is synced. */
function about({ kind, name, authenticatorName, isBackupEligible, isBackedUp }: Credential): Part[] {
  const shown = name === text(`kind.${kind}`) ? [] : [[text(`kind.${kind}`)]]
  if (kind !== 'Fido2') return shown
  const synced = isBackedUp ? 'synced.yes' : isBackupEligible ? 'synced.not_yet' : 'synced.no'
  return [...shown, ...(authenticatorName ? [[isolate(authenticatorName)]] : []), [text(synced)]]
}

export class Credentials {
  /** As last loaded. */
  all: readonly Credential[] = []
  readonly #account: AccountPage
  readonly #changePassword: (credential: Credential) => void
  readonly #loaded: () => void
  readonly #heading = find('#credentials-heading', HTMLElement)
  readonly #list = find('[data-credentials]', HTMLElement)
  readonly #inactive = find('[data-former]', HTMLElement)
  readonly #inactiveList = find('[data-former-credentials]', HTMLElement)
  readonly #name = new Field('new-name')
  readonly #renameDialog: Dialog
  readonly #deactivateDialog: Dialog
  #selected: Credential | undefined

  /** `changePassword`: opens the dialog. `loaded`: called after each load. */
  constructor(account: AccountPage, changePassword: (credential: Credential) => void, loaded: () => void) {
    this.#account = account
    this.#changePassword = changePassword
    this.#loaded = loaded
    this.#renameDialog = new Dialog('rename', () => this.#rename())
    this.#deactivateDialog = new Dialog('deactivate', () => this.#deactivate())
    const adding = find('[data-add-passkey]', HTMLElement)
    adding.hidden = !passkeysSupported()
    find('button', HTMLButtonElement, adding).addEventListener('click', () => void this.#addPasskey())
    account.addSection(() => this.#load())
  }

  async #load(): Promise<void> {
    const { items } = await api.call<{ items: Credential[] }>('GET', 'auth/credentials')
    this.all = items
    const passwords = items.filter(({ kind, isActive }) => kind === 'PasswordProtectedKey' && isActive)
    const others = items.filter(({ kind, isActive }) => !LISTED_SEPARATELY.includes(kind) && isActive)
    const inactive = items.filter(({ isActive, kind }) => !isActive && kind !== 'RecoveryKey')
    showRows(this.#list, [...passwords, ...others].map((each) => this.#row(each)), this.#heading)
    showRows(this.#inactiveList, inactive.map((each) => this.#row(each)), this.#heading)
    this.#inactive.hidden = inactive.length === 0
    this.#loaded()
  }

  #row(credential: Credential): HTMLElement {
    const { credentialUuid, kind, name, isActive, dateCreated, dateLastUsed } = credential
    const row = cloneTemplate('template[data-credential-row]')
    row.dataset['row'] = credentialUuid
    row.dataset['kind'] = kind
    const heading = find('[data-name]', HTMLElement, row)
    heading.id = `credential-${credentialUuid}`
    heading.textContent = name
    showParts(find('[data-about]', HTMLElement, row), about(credential))
    const used = dateLastUsed === null ? [] : [textWith('used', { date: dayElement(dateLastUsed) })]
    showParts(find('[data-dates]', HTMLElement, row), [textWith('added', { date: dayElement(dateCreated) }), ...used])
    const allowed: Readonly<Record<Action, boolean>> = {
      password: isActive && kind === 'PasswordProtectedKey',
      rename: isActive && !(kind === 'PasswordProtectedKey' && this.#hasOne((each) => each.kind === kind)),
      deactivate: isActive && !this.#hasOne(({ kind }) => kind !== 'RecoveryKey'),
      activate: !isActive,
    }
    for (const button of findAll('[data-do]', HTMLButtonElement, row)) {
      const action = button.dataset['do'] as Action
      button.hidden = !allowed[action]
      button.setAttribute('aria-describedby', heading.id)
      button.addEventListener('click', () => this.#do(action, credential))
    }
    return row
  }

  /** Whether exactly one active credential is like that. */
  #hasOne(like: (credential: Credential) => boolean): boolean {
    return this.all.filter((each) => each.isActive && like(each)).length === 1
  }

  #do(action: Action, credential: Credential): void {
    this.#selected = credential
    if (action === 'password') this.#changePassword(credential)
    else if (action === 'rename') {
      this.#name.clearError()
      this.#name.input.value = credential.name
      find('#rename-heading', HTMLElement).textContent = text(`rename.${credential.kind}`)
      this.#renameDialog.open()
      this.#name.input.select()
    } else if (action === 'deactivate') {
      const heading = find('#deactivate-heading', HTMLElement)
      const special = `deactivate.${credential.kind}`
      if (hasText(special)) heading.textContent = text(special)
      else heading.replaceChildren(...textWith('deactivate', { name: quoted(credential.name) }))
      this.#deactivateDialog.open()
    } else void this.#account.change('done.activate', () => this.#signed('activate', {}))
  }

  #signed(action: 'rename' | 'deactivate' | 'activate', more: object): Promise<unknown> {
    const { credentialUuid, name = '' } = this.#selected ?? {}
    const sign = this.#account.confirmation.signer({ to: action, name })
    return api.signed('PUT', `auth/credentials/${action}`, { credentialUuid, ...more }, sign)
  }

  async #rename(): Promise<void> {
    const credentialName = this.#name.required('missing.new-name')
    if (credentialName === null) return
    const { guard } = this.#renameDialog
    const handleError = this.#account.errorHandler(guard)
    const renamed = await guard.run(
      'working',
      async () => void (await this.#signed('rename', { credentialName })),
      (error) => {
        if (!isRefused(error, 'invalid_request')) return handleError(error)
        this.#name.showError(text('refused.new-name'))
        return true
      },
    )
    if (!renamed) return
    this.#renameDialog.close()
    await this.#account.reload('done.rename')
  }

  async #deactivate(): Promise<void> {
    const { guard } = this.#deactivateDialog
    const task = async (): Promise<void> => void (await this.#signed('deactivate', {}))
    const deactivated = await guard.run('working', task, this.#account.errorHandler(guard))
    if (!deactivated) return
    this.#deactivateDialog.close()
    await this.#account.reload('done.deactivate')
  }

  async #addPasskey(): Promise<void> {
    const { guard, confirmation } = this.#account
    await this.#account.change('done.passkey', async () => {
      await confirmation.prepare({ to: 'passkey' })
      const challenge = await api.call<CredentialChallenge>('POST', 'auth/credentials/init', { kind: 'Fido2' })
      guard.messages.showStatus('passkey.waiting')
      const credential = await createPasskey(challenge)
      guard.messages.showStatus('working')
      const { challengeIdentifier } = challenge
      const body = { challengeIdentifier, credentialName: agentName(navigator.userAgent), ...credential }
      await api.signed('POST', 'auth/credentials', body, confirmation.signer({ to: 'passkey' }))
    })
  }
}
