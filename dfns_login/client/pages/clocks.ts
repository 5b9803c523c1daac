// Times that run down.

const SECOND = 1000

/** Minutes and seconds, as a clock shows them: 9:41; with hours, 1:09:41. */
export function clock(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / SECOND))
  const parts = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60]
  const [first, ...others] = parts[0] === 0 ? parts.slice(1) : parts
  return [String(first), ...others.map((part) => String(part).padStart(2, '0'))].join(':')
}

/** One time that runs down. show: called at once and every second, with what is left; end: once, when nothing is. */
export class Countdown {
  #timer: number | undefined
  readonly #show: (left: number) => void
  readonly #end: () => void

  constructor(show: (left: number) => void, end: () => void = () => undefined) {
    this.#show = show
    this.#end = end
  }

  /** until: a time by the clock, for a sleeping machine skips beats. */
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

/** Shows what is left in every one of these elements. */
export function shownIn(elements: readonly Element[]): (left: number) => void {
  return (left) => {
    for (const element of elements) element.textContent = clock(left)
  }
}
