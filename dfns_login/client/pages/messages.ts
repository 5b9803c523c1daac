// Status and error messages of a page. Both are live regions, so screen readers announce them.

import { Countdown } from './clocks.js'
import { duration } from './dates.js'
import { find } from './dom.js'
import { lineWith, text } from './texts.js'

const TIME_TO_READ = 12_000 // milliseconds

export class Messages {
  readonly #status: HTMLElement
  readonly #error: HTMLElement
  #countdown: Countdown | undefined

  constructor(root: ParentNode = document) {
    this.#status = find('[data-status]', HTMLElement, root)
    this.#error = find('[data-alert]', HTMLElement, root)
  }

  /** Show the status text `name`; without a name, clear the status. */
  showStatus(name?: string, values?: Readonly<Record<string, string>>): void {
    this.#status.textContent = name === undefined ? '' : text(name, values)
    this.#status.classList.toggle('dfns-unseen', name === 'passkey.waiting') // the button and the browser show it
  }

  /** Show the status text `name` for a few seconds. */
  showStatusBriefly(name?: string): void {
    this.showStatus(name)
    const shown = this.#status.textContent
    window.setTimeout(() => {
      if (this.#status.textContent === shown) this.showStatus()
    }, TIME_TO_READ)
  }

  /** Show an error, and announce it even if it is the same as before. */
  showError(message: string): void {
    this.clearError()
    this.#error.textContent = message
  }

  /** Show the text `name` until this time, with the time left in place of `{time}`. */
  showErrorUntil(name: string, until: number): void {
    this.clearError()
    const left = document.createElement('span')
    left.setAttribute('role', 'timer')
    left.setAttribute('aria-live', 'off') // announce it once, not every second
    this.#countdown = new Countdown(
      (milliseconds) => (left.textContent = duration(milliseconds)),
      () => this.clearError(),
    )
    this.#countdown.start(until)
    this.#error.append(lineWith(name, { time: left }))
  }

  /** Show the text `name` with elements in place of its {placeholders}. */
  showErrorWith(name: string, places: Readonly<Record<string, Node>>): void {
    this.clearError()
    this.#error.append(lineWith(name, places))
  }

  clearError(): void {
    this.#countdown?.stop()
    this.#error.textContent = ''
  }
}
