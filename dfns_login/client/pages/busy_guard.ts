// Run one task at a time. Meanwhile buttons keep their focus but do nothing, and the one that started it shows progress.

import { findAll } from './dom.js'
import { reportError } from './error_messages.js'
import type { Messages } from './messages.js'

/** Make a button unavailable, or available again. Unlike a disabled button, it keeps the focus. */
export function setUnavailable(button: HTMLButtonElement, unavailable: boolean): void {
  button.toggleAttribute('data-off', unavailable)
  button.setAttribute('aria-disabled', String(unavailable))
}

export class BusyGuard {
  readonly messages: Messages
  readonly #root: HTMLElement
  #busy = false
  #left = false
  #clicked: HTMLButtonElement | undefined
  #atWork: HTMLButtonElement | undefined

  /** `root`: contains the buttons. */
  constructor(root: HTMLElement, messages: Messages) {
    this.#root = root
    this.messages = messages
    root.addEventListener('click', (event) => this.#block(event), { capture: true })
  }

  get busy(): boolean {
    return this.#busy
  }

  /**
   * Run the task and show the status text `name` meanwhile. Report an error unless `handled` returns true. Do nothing
   * if another task is running. Returns whether the task succeeded.
   */
  async run(
    name: string,
    task: () => Promise<void>,
    handled: (error: unknown) => boolean = () => false,
  ): Promise<boolean> {
    if (this.#busy) return false
    this.#set(true)
    this.messages.clearError()
    this.messages.showStatus(name)
    try {
      await task()
      return true
    } catch (error) {
      if (!handled(error)) reportError(error, this.messages)
      return false
    } finally {
      if (!this.#left) {
        this.messages.showStatus()
        this.#set(false)
      }
    }
  }

  /** Go to an address of this site. No more tasks run on this page. */
  leave(name: string, address: string): void {
    this.#left = true
    this.#set(true)
    this.messages.showStatus(name)
    location.assign(address)
  }

  /** Go to an address of this site, because the task succeeded. Its button says so. */
  finish(name: string, address: string): void {
    this.leave(name, address)
    this.#atWork?.setAttribute('data-done', '')
  }

  #set(busy: boolean): void {
    if (!this.#busy) this.#atWork = this.#clicked ?? this.#visibleSubmit()
    this.#busy = busy
    this.#root.toggleAttribute('data-busy', busy)
    for (const button of findAll('button', HTMLButtonElement, this.#root)) {
      button.setAttribute('aria-disabled', String(busy || button.hasAttribute('data-off')))
      button.setAttribute('aria-busy', String(busy && button === this.#atWork))
    }
  }

  /** The button of the step or dialog that is shown: Enter and a complete code submit without a click. */
  #visibleSubmit(): HTMLButtonElement | undefined {
    return findAll('[type=submit]', HTMLButtonElement, this.#root).find((button) => button.offsetParent !== null)
  }

  #block(event: Event): void {
    const button = event.target instanceof Element ? event.target.closest('button') : null
    if (button?.getAttribute('aria-disabled') !== 'true') {
      this.#clicked = button ?? undefined
      window.setTimeout(() => (this.#clicked = undefined)) // tasks of this click have started by then
      return
    }
    event.preventDefault()
    event.stopImmediatePropagation()
  }
}
