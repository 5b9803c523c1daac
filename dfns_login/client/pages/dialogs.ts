// Dialogs. Each has a form and its own messages, because screen readers ignore what is behind a dialog.

import { BusyGuard } from './busy_guard.js'
import { find, findOptional } from './dom.js'
import { Messages } from './messages.js'

/** The person canceled. Don't report this. */
export class CanceledError extends Error {
  override name = 'CanceledError'
}

export class Dialog {
  readonly guard: BusyGuard
  readonly root: HTMLDialogElement
  readonly form: HTMLFormElement
  #onCancel: () => void = () => undefined

  /** `submit`: called when the form is submitted, unless a task is running. */
  constructor(name: string, submit: () => Promise<void>) {
    this.root = find(`[data-dialog="${name}"]`, HTMLDialogElement)
    this.form = find('form', HTMLFormElement, this.root)
    this.guard = new BusyGuard(this.root, new Messages(this.root))
    this.form.addEventListener('submit', (event) => {
      event.preventDefault()
      if (!this.guard.busy) void submit()
    })
    const cancel = findOptional('[data-cancel]', HTMLButtonElement, this.root)
    cancel?.addEventListener('click', () => this.cancel())
    this.root.addEventListener('cancel', (event) => {
      event.preventDefault()
      if (cancel && !this.guard.busy) this.cancel()
    })
  }

  /** `onCancel`: called if the person cancels the dialog. */
  open(onCancel: () => void = () => undefined): void {
    this.#onCancel = onCancel
    this.guard.messages.clearError()
    this.guard.messages.showStatus()
    if (!this.root.open) this.root.showModal()
    findOptional('[data-focus]', HTMLElement, this.root)?.focus()
  }

  close(): void {
    if (this.root.open) this.root.close()
  }

  cancel(): void {
    this.close()
    this.#onCancel()
  }
}
