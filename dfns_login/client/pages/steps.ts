// Steps of a page: one is visible at a time, with the answers to earlier ones. Back, forward and reload work: the
// history entry has the name of its step, and nothing else.

import { find, findAll, findOptional } from './dom.js'
import { text } from './texts.js'

function stepOf(state: unknown): string | undefined {
  return (state as { step?: string } | null)?.step
}

export class Steps<Name extends string> {
  readonly #root: HTMLElement
  readonly #ranks: Readonly<Record<Name, number>>
  readonly #resolve: (wanted: string | undefined) => Name
  readonly #total: () => number
  readonly #heading = findOptional('h1', HTMLElement)
  readonly #firstHeading = this.#heading?.textContent ?? ''
  readonly #titleEnd = document.title.split(' · ').slice(1)
  readonly #first: Name
  #current: Name

  /**
   * `ranks`: order of the steps, from 0; the page shows rank + 1. Steps with a negative rank have no number. An answer
   * is visible in all steps of a higher rank. `first`: the initial step.
   * `resolve`: the step to show when the browser navigates to the wanted one or loads it again. It is undefined for the
   * first step. `total`: how many steps there are, as far as is known.
   */
  constructor(
    root: HTMLElement,
    ranks: Readonly<Record<Name, number>>,
    first: Name,
    resolve: (wanted: string | undefined) => Name,
    total: () => number,
  ) {
    this.#root = root
    this.#ranks = ranks
    this.#current = this.#first = first
    this.#resolve = resolve
    this.#total = total
    if (this.#heading) this.#heading.tabIndex = -1
    window.addEventListener('popstate', ({ state }: PopStateEvent) => this.#show(resolve(stepOf(state))))
  }

  get current(): Name {
    return this.#current
  }

  /**
   * Call this once the page is ready. Shows the step that this history entry had before the page was loaded again.
   * Returns whether there is one.
   */
  resume(): boolean {
    this.#count()
    const wanted = stepOf(history.state)
    if (wanted === undefined) return false
    this.#show(this.#resolve(wanted))
    return true
  }

  /** Show a step and focus its first field, or the heading if the step has to be read first. */
  go(name: Name): void {
    if (name !== this.#current) history.pushState({ step: name }, '')
    this.#show(name)
  }

  #count(): void {
    const total = this.#total()
    const number = Math.min(this.#ranks[this.#current] + 1, total)
    const shown = text('step', { number: String(number), total: String(total) })
    for (const place of findAll('[data-progress]', HTMLElement)) {
      place.hidden = number < 1
      place.textContent = shown
      place.style.setProperty('--dfns-part', String(number / total))
    }
  }

  #show(name: Name): void {
    this.#current = name
    this.#count()
    for (const section of findAll('[data-step]', HTMLElement, this.#root)) {
      section.hidden = section.dataset['step'] !== name
    }
    for (const answer of findAll('[data-answer]', HTMLElement, this.#root)) {
      answer.hidden = this.#ranks[answer.dataset['answer'] as Name] >= this.#ranks[name]
    }
    for (const links of findAll('[data-elsewhere]', HTMLElement)) {
      links.hidden = name !== this.#first // on later steps, they would lose what was done
    }
    this.#root.dispatchEvent(new CustomEvent('step', { detail: name }))
    const section = find(`[data-step="${name}"]`, HTMLElement, this.#root)
    const question = section.dataset['heading'] ?? this.#firstHeading
    if (this.#heading) this.#heading.textContent = question
    document.title = [question, ...this.#titleEnd].join(' · ')
    const heading = section.hasAttribute('data-focus-heading') ? this.#heading : null
    const field = findOptional('input:not([type=hidden])', HTMLElement, section)
    const first = findOptional('[data-focus]', HTMLElement, section) ?? heading ?? field
    ;(first ?? findOptional('button', HTMLElement, section))?.focus()
  }
}
