// Dialogs: one form each, with messages of its own, for what lies behind a dialog is not read out.

import { Desk } from './busy.js'
import { find, seek } from './dom.js'
import { Messages } from './messages.js'

/** The person thought better of it. Nothing is to be told. */
export class CancelledError extends Error {
  override name = 'CancelledError'
}

export class Dialog {
  readonly desk: Desk
  readonly root: HTMLDialogElement
  readonly form: HTMLFormElement
  #cancelled: () => void = () => undefined

  /** submit: called for each try to send the form, one at a time. */
  constructor(name: string, submit: () => Promise<void>) {
    this.root = find(`[data-dialog="${name}"]`, HTMLDialogElement)
    this.form = find('form', HTMLFormElement, this.root)
    this.desk = new Desk(this.root, new Messages(this.root))
    this.form.addEventListener('submit', (event) => {
      event.preventDefault()
      if (!this.desk.busy) void submit()
    })
    const cancel = seek('[data-cancel]', HTMLButtonElement, this.root)
    cancel?.addEventListener('click', () => this.cancel())
    this.root.addEventListener('cancel', (event) => {
      event.preventDefault()
      if (cancel && !this.desk.busy) this.cancel()
    })
  }

  /** cancelled: called if the person closes it. */
  open(cancelled: () => void = () => undefined): void {
    this.#cancelled = cancelled
    this.desk.messages.clear()
    this.desk.messages.say()
    if (!this.root.open) this.root.showModal()
    seek('[data-focus]', HTMLElement, this.root)?.focus()
  }

  close(): void {
    if (this.root.open) this.root.close()
  }

  cancel(): void {
    this.close()
    this.#cancelled()
  }
}
