// The field for a kit key. It is typed, pasted in any form, or read from the kit's file.

import { InvalidKitKeyError, type KitKey, parseKit } from '../kit.js'
import { grouped, significant } from './code_text.js'
import { find } from './dom.js'
import { Field } from './fields.js'
import { text } from './texts.js'

const LENGTH = 40 // characters, without dashes
const READ_OF_A_FILE = 65_536 // characters

function isKit(words: string): boolean {
  try {
    parseKit(words)
    return true
  } catch {
    return false
  }
}

/** Find a kit key: the text itself, or a line of it, such as of a kit file. */
function findKit(words: string): string | undefined {
  return [words, ...words.split(/\r?\n/)].find(isKit)
}

export class KitField extends Field {
  readonly #file = find('#kit-file', HTMLInputElement)
  readonly #fromFile = find('[data-kit-from-file]', HTMLElement)

  constructor() {
    super('kit')
    this.input.addEventListener('input', (event) => {
      if (!(event instanceof InputEvent && event.isComposing)) this.#tidy()
    })
    this.input.addEventListener('compositionend', () => this.#tidy())
    this.input.addEventListener('paste', (event) => {
      if (event instanceof ClipboardEvent) this.#paste(event)
    })
    this.input.addEventListener('keydown', (event) => {
      if (!(event instanceof KeyboardEvent) || event.key !== 'Enter' || event.isComposing) return
      event.preventDefault()
      this.input.form?.requestSubmit()
    })
    find('[data-choose-kit]', HTMLButtonElement).addEventListener('click', () => this.#file.click())
    this.#file.addEventListener('change', () => void this.#readFile())
  }

  /** Whether it may be a kit key: its check digits are right. */
  get isComplete(): boolean {
    return isKit(this.value)
  }

  /** The kit key. If it is missing or can't be one, show an error and return null. */
  requiredKit(): KitKey | null {
    const typed = this.required('missing.kit')
    if (typed === null) return null
    try {
      return parseKit(typed)
    } catch (error) {
      if (!(error instanceof InvalidKitKeyError)) throw error
      this.showError(text(`kit.${error.problem}`))
      return null
    }
  }

  override showError(message: string): void {
    this.#fromFile.textContent = ''
    super.showError(message)
  }

  clear(): void {
    this.input.value = ''
    this.#fromFile.textContent = ''
  }

  /** Regroup what was pasted with one group per line, and submit what is complete. */
  #tidy(): void {
    const { value } = this.input
    this.#fromFile.textContent = ''
    if (value.includes('\n') && significant(value).length === LENGTH) this.input.value = grouped(significant(value))
    if (this.isComplete) this.input.form?.requestSubmit()
  }

  /** A pasted kit key replaces what was typed. Anything else is inserted. */
  #paste(event: ClipboardEvent): void {
    const found = findKit(event.clipboardData?.getData('text') ?? '')
    if (found === undefined) return
    event.preventDefault()
    this.#take(found)
  }

  #take(kit: string): void {
    this.clearError()
    this.input.value = grouped(significant(kit))
    this.input.form?.requestSubmit()
  }

  async #readFile(): Promise<void> {
    const chosen = this.#file.files?.[0]
    if (!chosen) return
    const found = findKit((await chosen.text()).slice(0, READ_OF_A_FILE))
    const file = `\u2068${chosen.name}\u2069` // isolated: its direction may differ from the text's
    this.#file.value = ''
    if (found === undefined) return this.showError(text('kit.not_in_file', { file }))
    this.#fromFile.textContent = text('kit.read', { file })
    this.#take(found)
  }
}
