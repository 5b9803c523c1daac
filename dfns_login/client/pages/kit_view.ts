// Show a recovery kit: download, print or copy it, and confirm that it is saved.

import { type Kit, kitFile } from '../kit.js'
import type { Person } from './code_sender.js'
import { day } from './dates.js'
import { find, findOptional } from './dom.js'
import { Field } from './fields.js'
import type { Messages } from './messages.js'
import { page } from './page_data.js'
import { text } from './texts.js'

/** The text of the kit file: owner, kit key, instructions and age file. */
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

const GROUPS_IN_A_ROW = 5

/** The kit key in two rows. Both are inline, so that what is copied is one line. */
function rows(kitKey: string): HTMLElement[] {
  const groups = kitKey.split('-')
  const dash = document.createElement('span')
  dash.className = 'dfns-kit-dash'
  dash.append('-')
  const first = document.createElement('span')
  first.append(groups.slice(0, GROUPS_IN_A_ROW).join('-'), dash)
  const second = document.createElement('span')
  second.append(groups.slice(GROUPS_IN_A_ROW).join('-'))
  return [first, second]
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
  readonly #saved = new Field('kit-kept')
  readonly #box = find('#kit-kept', HTMLInputElement)
  #content = ''
  #name = ''

  constructor(messages: Messages) {
    const onClick = (selector: string, action: () => void): void =>
      findOptional(selector, HTMLButtonElement)?.addEventListener('click', action)
    onClick('[data-kit-download]', () => download(this.#content, this.#name))
    onClick('[data-kit-print]', () => window.print())
    onClick('[data-kit-copy]', () => {
      void navigator.clipboard
        .writeText(this.#content)
        .then(() => messages.showStatus('kit.copied'))
        .catch(() => messages.showError(text('kit.not_copied')))
    })
  }

  /** Show a kit. The browser warns before the person leaves the page without saving it. */
  show(kit: Kit, person: Person): void {
    this.#content = kitText(kit, person)
    this.#name = `${text('kit.file_name')}-${person.username.replace(/[^\p{L}\p{N}@._-]+/gu, '-')}.txt`
    this.#key.replaceChildren(...rows(kit.kitKey))
    this.#printed.textContent = this.#content
    this.#box.checked = false
    window.addEventListener('beforeunload', warnBeforeLeaving)
  }

  /** Whether the person confirmed that the kit is saved. If not, show an error. */
  isSaved(): boolean {
    if (this.#box.checked) {
      window.removeEventListener('beforeunload', warnBeforeLeaving)
      return true
    }
    this.#saved.showError(text('kit.not_saved'))
    return false
  }

  /** Remove the kit from the page. */
  clear(): void {
    this.#content = ''
    this.#key.textContent = this.#printed.textContent = ''
  }
}
