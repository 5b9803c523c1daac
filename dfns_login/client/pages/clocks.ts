// Countdowns.

import { find } from './dom.js'
import { hasText, text } from './texts.js'

const SECOND = 1000
const MINUTE = 60 * SECOND
const LAST_MINUTES = 2 * MINUTE // the seconds matter to people only now

/** Format as minutes and seconds, such as 9:41, or with hours, such as 1:09:41. */
export function clock(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / SECOND))
  const parts = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60]
  const [first, ...others] = parts[0] === 0 ? parts.slice(1) : parts
  return [String(first), ...others.map((part) => String(part).padStart(2, '0'))].join(':')
}

/** `show`: called at once and then every second with the milliseconds left. `end`: called once at the end. */
export class Countdown {
  #timer: number | undefined
  readonly #show: (left: number) => void
  readonly #end: () => void

  constructor(show: (left: number) => void, end: () => void = () => undefined) {
    this.#show = show
    this.#end = end
  }

  /** `until`: a clock time, because timers stop while the machine sleeps. */
  start(until: number): void {
    this.stop()
    const left = until - Date.now()
    this.#show(Math.max(0, left))
    if (left <= 0) this.#end()
    else this.#timer = window.setTimeout(() => this.start(until), left % SECOND || SECOND)
  }

  stop(): void {
    window.clearTimeout(this.#timer)
  }
}

/**
 * Show the time left in each of these elements: minutes, and at the end also seconds. The page has the texts, because the
 * first `Intl.NumberFormat` blocks a slow phone for more than 50 ms.
 */
export function showIn(elements: readonly Element[]): (left: number) => void {
  return (left) => {
    const minutes = `minutes.${String(Math.ceil(left / MINUTE))}`
    const shown = left > LAST_MINUTES && hasText(minutes) ? text(minutes) : clock(left)
    for (const element of elements) element.textContent = shown
  }
}

/** Show these lines, with the time left in their `data-clock`, in the last two minutes only. */
export function showAtTheEnd(lines: readonly HTMLElement[]): (left: number) => void {
  return (left) => {
    for (const line of lines) {
      line.hidden = left > LAST_MINUTES
      find('[data-clock]', HTMLElement, line).textContent = clock(left)
    }
  }
}
