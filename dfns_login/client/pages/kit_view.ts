// A recovery kit before its owner: to be downloaded, printed or copied, and said to be kept.

import { kitFile, type Kit } from '../kit.js'
import type { Person } from './code_mailing.js'
import { find, seek } from './dom.js'
import { Field } from './fields.js'
import type { Messages } from './messages.js'
import { day } from './moments.js'
import { page } from './page_data.js'
import { text } from './texts.js'

/** The text of the kit's file: whose it is, the kit key, how to use it, the age file. */
export function kitText(kit: Kit, { organization, username }: Person): string {
  const site = location.host
  const owner = [
    text('kit.account', { username }),
    text('kit.organization', { organization }),
    text('kit.site', { site }),
    text('kit.date', { date: day(new Date()) }),
  ]
  return kitFile(kit, {
    title: text('kit.title'),
    owner: owner.join('\n'),
    kitKey: text('kit.kit_key'),
    recover: text('kit.recover', { address: new URL(page.recoverUrl, location.origin).href }),
    passphrase: text('kit.passphrase'),
    file: text('kit.file'),
  })
}

function download(content: string, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([content], { type: 'text/plain;charset=utf-8' }))
  link.download = name
  link.click()
  window.setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}

function warnBeforeLeaving(event: BeforeUnloadEvent): void {
  event.preventDefault()
}

export class KitView {
  readonly #key = find('[data-kit-key]', HTMLElement)
  readonly #printed = find('[data-kit-print-text]', HTMLElement)
  readonly #kept = new Field('kit-kept')
  readonly #box = find('#kit-kept', HTMLInputElement)
  #content = ''
  #name = ''

  constructor(messages: Messages) {
    seek('[data-kit-download]', HTMLButtonElement)?.addEventListener('click', () => download(this.#content, this.#name))
    seek('[data-kit-print]', HTMLButtonElement)?.addEventListener('click', () => window.print())
    seek('[data-kit-copy]', HTMLButtonElement)?.addEventListener('click', () => {
      void navigator.clipboard
        .writeText(this.#content)
        .then(() => messages.say('kit.copied'))
        .catch(() => messages.warn(text('kit.not_copied')))
    })
  }

  /** Show this kit; the browser asks before the page is left without having kept it. */
  show(kit: Kit, person: Person): void {
    this.#content = kitText(kit, person)
    this.#name = `${text('kit.file_name')}-${person.username.replace(/[^\p{L}\p{N}@._-]+/gu, '-')}.txt`
    this.#key.textContent = kit.kitKey
    this.#printed.textContent = this.#content
    this.#box.checked = false
    window.addEventListener('beforeunload', warnBeforeLeaving)
  }

  /** Whether its owner says to have kept it; told to do so if not. */
  isKept(): boolean {
    if (this.#box.checked) return true
    this.#kept.refuse(text('kit.not_kept'))
    return false
  }

  /** Take the kit off the page. */
  clear(): void {
    this.#content = ''
    this.#key.textContent = this.#printed.textContent = ''
    window.removeEventListener('beforeunload', warnBeforeLeaving)
  }
}
