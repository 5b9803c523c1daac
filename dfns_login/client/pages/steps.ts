// Steps of one page: one is shown at a time, with the answers to those before it. The browser's way back leads to them.

import { find, findAll, seek } from './dom.js'

export class Steps<Name extends string> {
  readonly #root: HTMLElement
  readonly #ranks: Readonly<Record<Name, number>>
  #current: Name

  /**
   * ranks: each step's, from 0: an answer is shown in every step of a higher rank than its own. first: shown already.
   * where: the step that the browser's way back leads to, if it asks for this one; the first has no name there.
   */
  constructor(
    root: HTMLElement,
    ranks: Readonly<Record<Name, number>>,
    first: Name,
    where: (wanted: string | undefined) => Name,
  ) {
    this.#root = root
    this.#ranks = ranks
    this.#current = first
    window.addEventListener('popstate', ({ state }: PopStateEvent) => {
      this.#show(where((state as { step?: string } | null)?.step))
    })
  }

  get current(): Name {
    return this.#current
  }

  /** Show this step, and lead into it. */
  go(name: Name): void {
    if (name !== this.#current) history.pushState({ step: name }, '')
    this.#show(name)
  }

  #show(name: Name): void {
    this.#current = name
    for (const section of findAll('[data-step]', HTMLElement, this.#root)) {
      section.hidden = section.dataset['step'] !== name
    }
    for (const answer of findAll('[data-answer]', HTMLElement, this.#root)) {
      answer.hidden = this.#ranks[answer.dataset['answer'] as Name] >= this.#ranks[name]
    }
    this.#root.dispatchEvent(new CustomEvent('step', { detail: name }))
    const section = find(`[data-step="${name}"]`, HTMLElement, this.#root)
    seek('[data-focus], input:not([type=hidden]), button', HTMLElement, section)?.focus()
  }
}
