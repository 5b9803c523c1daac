// What a page says: what it is doing, and what went wrong. Both are live regions, so that it is read out too.

import { clock, Countdown } from './clocks.js'
import { find } from './dom.js'
import { text, textWith } from './texts.js'

const TIME_TO_READ = 12_000 // milliseconds

export class Messages {
  readonly #status: HTMLElement
  readonly #alert: HTMLElement
  #countdown: Countdown | undefined

  constructor(root: ParentNode = document) {
    this.#status = find('[data-status]', HTMLElement, root)
    this.#alert = find('[data-alert]', HTMLElement, root)
  }

  /** Say by name what is going on; nothing without a name. */
  say(name?: string, values?: Readonly<Record<string, string>>): void {
    this.#status.textContent = name === undefined ? '' : text(name, values)
  }

  /** Say by name what was done, until it is read; nothing without a name. */
  sayForNow(name?: string): void {
    this.say(name)
    const said = this.#status.textContent
    window.setTimeout(() => {
      if (this.#status.textContent === said) this.say()
    }, TIME_TO_READ)
  }

  /** Say what went wrong. The same words again are said again. */
  warn(words: string): void {
    this.clear()
    this.#alert.textContent = words
  }

  /** Say by name what went wrong, with its `{time}` running down to that time, at which the words go. */
  warnUntil(name: string, until: number): void {
    this.clear()
    const time = document.createElement('span')
    time.setAttribute('role', 'timer')
    time.setAttribute('aria-live', 'off') // read once, not every second
    this.#countdown = new Countdown(
      (left) => (time.textContent = clock(left)),
      () => this.clear(),
    )
    this.#countdown.start(until)
    this.#alert.append(...textWith(name, { time }))
  }

  /** Take away what went wrong. */
  clear(): void {
    this.#countdown?.stop()
    this.#alert.textContent = ''
  }
}
