// Form fields with their error messages.

import { find, findAll, findOptional } from './dom.js'
import { text } from './texts.js'

/** An input and its `ID-error` element. Typing clears the error. */
export class Field {
  readonly input: HTMLInputElement | HTMLTextAreaElement
  readonly #error: HTMLElement

  constructor(id: string) {
    this.input = findOptional(`#${id}`, HTMLTextAreaElement) ?? find(`#${id}`, HTMLInputElement)
    this.#error = find(`#${id}-error`, HTMLElement)
    this.input.addEventListener('input', () => this.clearError())
  }

  /** The value as typed. */
  get value(): string {
    return this.input.value
  }

  /** The trimmed value. If it is empty, show the text `missing` and return null. */
  required(missing: string): string | null {
    const value = this.value.trim()
    if (value === '') this.showError(text(missing))
    return value === '' ? null : value
  }

  /** Show an error, focus the field and select its text, so that the next try replaces it. */
  showError(message: string): void {
    this.#error.textContent = message
    this.#error.hidden = false
    this.input.setAttribute('aria-invalid', 'true')
    this.input.focus()
    this.input.select()
  }

  clearError(): void {
    this.#error.hidden = true
    this.#error.textContent = ''
    this.input.removeAttribute('aria-invalid')
  }
}

/** Find a field that a template may omit; null if there is none. */
export function findOptionalField(id: string): Field | null {
  return findOptional(`#${id}`, HTMLInputElement) ? new Field(id) : null
}

function showPasswords(button: HTMLButtonElement, inputs: readonly HTMLInputElement[], shown: boolean): void {
  for (const input of inputs) input.type = shown ? 'text' : 'password'
  button.textContent = text(shown ? 'hide' : 'show')
}

/** Enable the buttons that show and hide passwords. Submitting the form hides them again. */
export function enablePasswordToggles(root: ParentNode = document): void {
  for (const button of findAll('button[data-show]', HTMLButtonElement, root)) {
    const ids = button.dataset['show']?.split(' ') ?? []
    const inputs = ids.map((id) => find(`#${id}`, HTMLInputElement, root))
    showPasswords(button, inputs, false)
    button.addEventListener('click', () => showPasswords(button, inputs, inputs[0]?.type === 'password'))
    button.form?.addEventListener('submit', () => showPasswords(button, inputs, false))
  }
}
