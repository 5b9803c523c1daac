// The field for an emailed code. It takes any text with the code in it, and shows the code in groups of four.

import { findCode, grouped, significant } from './code_text.js'
import { findAll } from './dom.js'
import { Field } from './fields.js'
import { text } from './texts.js'

export class CodeField extends Field {
  readonly #length: number
  readonly #digits: boolean

  constructor() {
    super('code')
    this.#length = Number(this.input.dataset['length'])
    this.#digits = this.input.inputMode === 'numeric'
    this.input.addEventListener('beforeinput', (event) => {
      if (event instanceof InputEvent) this.#skipDash(event)
    })
    this.input.addEventListener('input', (event) => {
      if (!(event instanceof InputEvent)) this.#tidy() // autofill
      else if (!event.isComposing) this.#tidy(event.inputType)
    })
    this.input.addEventListener('compositionend', () => this.#tidy())
    this.input.addEventListener('paste', (event) => {
      if (event instanceof ClipboardEvent) this.#paste(event)
    })
  }

  /** Whether it has the length of a code. */
  get isComplete(): boolean {
    return significant(this.value).length === this.#length
  }

  /** The code. If it is missing or has another length, show an error and return null. */
  requiredCode(): string | null {
    const code = this.required('missing.code')
    if (code === null || this.isComplete) return code
    this.showError(text('code.length', { count: String(this.#length) }))
    return null
  }

  clear(): void {
    this.input.value = ''
  }

  /** A pasted code replaces what was typed. Anything else is inserted. */
  #paste(event: ClipboardEvent): void {
    const found = findCode(event.clipboardData?.getData('text') ?? '', this.#length, this.#digits)
    if (found === null) return
    event.preventDefault()
    this.input.value = found
    this.input.dispatchEvent(new InputEvent('input', { bubbles: true }))
  }

  /** Deleting next to a dash deletes the character beyond it: the dash would only come back. */
  #skipDash({ inputType }: InputEvent): void {
    const { selectionStart: start, selectionEnd: end, value } = this.input
    if (start === null || start !== end) return
    if (inputType === 'deleteContentBackward' && value[start - 1] === '-') this.#moveTo(start - 1)
    if (inputType === 'deleteContentForward' && value[start] === '-') this.#moveTo(start + 1)
  }

  #moveTo(caret: number): void {
    this.input.setSelectionRange(caret, caret)
  }

  /** Group what was typed; of a longer text, keep the code in it. Submit a code that was completed at its end. */
  #tidy(inputType = ''): void {
    const { value } = this.input
    const code = findCode(value, this.#length, this.#digits)
    const typed = significant(value)
    const caret = significant(value.slice(0, this.input.selectionStart ?? value.length)).length
    const shown = code ?? typed
    const before = shown === typed ? caret : shown.length
    if (grouped(shown) !== value) {
      this.input.value = grouped(shown)
      this.#moveTo(grouped(shown.slice(0, before)).length)
    }
    // a person who corrects a code in the middle may not be done yet
    if (code !== null && before === code.length && !inputType.startsWith('delete')) this.#submit()
  }

  /** Submit the form, unless something else is missing in its step. */
  #submit(): void {
    const { form } = this.input
    const step = this.input.closest('[data-step]') ?? document
    const inputs = findAll('input[required]', HTMLInputElement, step)
    const areas = findAll('textarea[required]', HTMLTextAreaElement, step)
    if ([...inputs, ...areas].every(({ value }) => value.trim() !== '')) form?.requestSubmit()
  }
}
