// One piece of work at a time. Buttons keep the focus meanwhile, and do nothing.

import { findAll } from './dom.js'
import type { Messages } from './messages.js'
import { tell } from './refusals.js'

/** Put the button off, or on again. It keeps the focus, which a disabled one would lose. */
export function putOff(button: HTMLButtonElement, off: boolean): void {
  button.toggleAttribute('data-off', off)
  button.setAttribute('aria-disabled', String(off))
}

export class Desk {
  readonly messages: Messages
  readonly #root: HTMLElement
  #busy = false
  #left = false

  /** root: where the buttons are. */
  constructor(root: HTMLElement, messages: Messages) {
    this.#root = root
    this.messages = messages
    root.addEventListener('click', (event) => this.#hold(event), { capture: true })
  }

  get busy(): boolean {
    return this.#busy
  }

  /**
   * Do it, and say by name what is going on. What is thrown is told, unless `told` takes it upon itself. Nothing is
   * done while something else is. Returns whether it was done.
   */
  async work(
    name: string,
    task: () => Promise<void>,
    told: (error: unknown) => boolean = () => false,
  ): Promise<boolean> {
    if (this.#busy) return false
    this.#set(true)
    this.messages.clear()
    this.messages.say(name)
    try {
      await task()
      return true
    } catch (error) {
      if (!told(error)) tell(error, this.messages)
      return false
    } finally {
      if (!this.#left) {
        this.messages.say()
        this.#set(false)
      }
    }
  }

  /** Go there, an address of this very site; nothing more is done here. */
  leave(name: string, address: string): void {
    this.#left = true
    this.#set(true)
    this.messages.say(name)
    location.assign(address)
  }

  #set(busy: boolean): void {
    this.#busy = busy
    this.#root.toggleAttribute('data-busy', busy)
    for (const button of findAll('button', HTMLButtonElement, this.#root)) {
      button.setAttribute('aria-disabled', String(busy || button.hasAttribute('data-off')))
      button.setAttribute('aria-busy', String(busy && button.type === 'submit'))
    }
  }

  #hold(event: Event): void {
    const button = event.target instanceof Element ? event.target.closest('button') : null
    if (button?.getAttribute('aria-disabled') !== 'true') return
    event.preventDefault()
    event.stopImmediatePropagation()
  }
}
