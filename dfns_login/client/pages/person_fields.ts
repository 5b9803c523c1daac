// The fields that say who somebody is, and in which organization.

import { Refusal } from '../api.js'
import type { Person } from './code_mailing.js'
import { findAll } from './dom.js'
import { Field, seekField } from './fields.js'
import { addressFor, carriedUsername, page } from './page_data.js'
import { text } from './texts.js'

export class PersonFields {
  readonly #username = new Field('username')
  readonly #organization = page.organization ? null : seekField('organization')

  constructor() {
    const carried = carriedUsername()
    if (carried) this.#username.input.value = carried
    for (const link of findAll('a[data-carry]', HTMLAnchorElement)) {
      const { pathname } = new URL(link.href)
      link.addEventListener('click', () => {
        link.href = addressFor(pathname, this.organization, this.username)
      })
    }
  }

  get username(): string {
    return this.#username.value.trim()
  }

  get organization(): string {
    return page.organization || (this.#organization?.value.trim() ?? '')
  }

  /** The organization, null and the person told if it was not said. */
  askOrganization(): string | null {
    return page.organization || (this.#organization?.given('missing.organization') ?? null)
  }

  /** Who it is, null and the person told if that was not said. */
  ask(): Person | null {
    const organization = this.askOrganization()
    if (organization === null) return null
    const username = this.#username.given('missing.username')
    return username === null ? null : { organization, username }
  }

  /** Tell beside the field what the server finds wrong with it. Returns whether there was anything. */
  tellRefused(error: unknown): boolean {
    if (!(error instanceof Refusal) || error.code !== 'invalid_request') return false
    const { orgId, username } = error.details
    if (orgId !== undefined) this.#organization?.refuse(text('refused.organization'))
    else if (username !== undefined) this.#username.refuse(text('refused.username'))
    return orgId !== undefined || username !== undefined
  }
}
