// The organization and username fields.

import { Refusal } from '../api.js'
import type { Person } from './code_sender.js'
import { findAll } from './dom.js'
import { Field, findOptionalField } from './fields.js'
import { MailHelp } from './mail_providers.js'
import { memory, remember } from './memory.js'
import { page, pageUrl, takeUsernameFromFragment } from './page_data.js'
import { text } from './texts.js'

export class PersonFields {
  readonly #username = new Field('username')
  readonly #organization = page.organization ? null : findOptionalField('organization')
  readonly #mail: MailHelp

  /** `corrected`: called if the person chose the suggested address. */
  constructor(corrected: () => void = () => undefined) {
    this.#mail = new MailHelp((address) => {
      this.#username.input.value = address
      this.#username.clearError()
      this.#username.input.focus()
      this.#remember()
      this.show()
      corrected()
    })
    this.#username.input.value = takeUsernameFromFragment() || this.username || (memory.username ?? '')
    if (this.#organization && !this.organization) this.#organization.input.value = memory.organization ?? ''
    for (const field of [this.#username, this.#organization]) {
      field?.input.addEventListener('change', () => this.#remember())
    }
    this.#username.input.addEventListener('input', () => this.#mail.show(''))
    this.#username.input.addEventListener('change', () => this.#mail.show(this.username))
    for (const link of findAll('a[data-carry]', HTMLAnchorElement)) {
      const { pathname } = new URL(link.href)
      link.addEventListener('click', () => {
        link.href = pageUrl(pathname, this.organization, this.username)
      })
    }
  }

  get username(): string {
    return this.#username.value.trim()
  }

  get person(): Person {
    return { organization: this.organization, username: this.username }
  }

  get organization(): string {
    return page.organization || (this.#organization?.value.trim() ?? '')
  }

  /** The organization id. If it is missing or can't be one, show an error and return null. */
  requiredOrganization(): string | null {
    if (page.organization || !this.#organization) return page.organization || null
    const { input } = this.#organization
    input.value = /\bor(?:-\w+)+/.exec(input.value)?.[0] ?? input.value // also from a whole sentence
    const typed = this.#organization.required('missing.organization')
    if (typed === null || !input.validity.patternMismatch) return typed
    this.#organization.showError(text('refused.organization'))
    return null
  }

  /** Organization and username. If either is missing, show an error and return null. */
  required(): Person | null {
    const organization = this.requiredOrganization()
    if (organization === null) return null
    const username = this.#username.required('missing.username')
    this.#remember()
    return username === null ? null : { organization, username }
  }

  /** Show the username where the page says who is signing in, and what helps with it. */
  show(): void {
    this.#mail.show(this.username)
    const parts = this.username.split(/(?<=@)/)
    for (const place of findAll('[data-username]', HTMLElement)) {
      place.replaceChildren(...parts.flatMap((part) => [part, document.createElement('wbr')])) // break after the @
    }
  }

  #remember(): void {
    remember({ username: this.username, ...(this.#organization && { organization: this.organization }) })
  }

  /** Show the server's validation errors next to the fields. Returns whether there were any. */
  showRefused(error: unknown): boolean {
    if (!(error instanceof Refusal) || error.code !== 'invalid_request') return false
    const { orgId, username } = error.details
    if (orgId !== undefined) this.#organization?.showError(text('refused.organization'))
    else if (username !== undefined) this.#username.showError(text('refused.username'))
    return orgId !== undefined || username !== undefined
  }
}
