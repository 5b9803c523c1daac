// Fields, with what is wrong with them beside them.

import { find, findAll, seek } from './dom.js'
import { text } from './texts.js'

/** An input and its `ID-error`. What was wrong goes when something is typed. */
export class Field {
  readonly input: HTMLInputElement | HTMLTextAreaElement
  readonly #error: HTMLElement

  constructor(id: string) {
    this.input = seek(`#${id}`, HTMLTextAreaElement) ?? find(`#${id}`, HTMLInputElement)
    this.#error = find(`#${id}-error`, HTMLElement)
    this.input.addEventListener('input', () => this.accept())
  }

  /** As it was typed. */
  get value(): string {
    return this.input.value
  }

  /** What was typed, without spaces around it; null, and the person told by that text, if nothing was. */
  given(missing: string): string | null {
    const value = this.value.trim()
    if (value === '') this.refuse(text(missing))
    return value === '' ? null : value
  }

  /** Say what is wrong, and lead there. */
  refuse(words: string): void {
    this.#error.textContent = words
    this.#error.hidden = false
    this.input.setAttribute('aria-invalid', 'true')
    this.input.focus()
  }

  accept(): void {
    this.#error.hidden = true
    this.#error.textContent = ''
    this.input.removeAttribute('aria-invalid')
  }
}

/** The field, null where the page has none. */
export function seekField(id: string): Field | null {
  return seek(`#${id}`, HTMLInputElement) ? new Field(id) : null
}

function showPassword(button: HTMLButtonElement, input: HTMLInputElement, shown: boolean): void {
  input.type = shown ? 'text' : 'password'
  button.textContent = text(shown ? 'hide' : 'show')
}

/** Buttons that show what a password field holds. It is hidden again when its form is sent. */
export function letPasswordsBeShown(root: ParentNode = document): void {
  for (const button of findAll('button[data-show]', HTMLButtonElement, root)) {
    const input = find(`#${button.dataset['show']}`, HTMLInputElement, root)
    showPassword(button, input, false)
    button.addEventListener('click', () => showPassword(button, input, input.type === 'password'))
    input.form?.addEventListener('submit', () => showPassword(button, input, false))
  }
}
