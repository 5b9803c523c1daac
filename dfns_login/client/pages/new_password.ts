// Choosing a password: typed twice, and not one that is guessed at once. The estimator is fetched when one is typed.

import { prepareStrength, strength, type Strength } from '../strength.js'
import { find } from './dom.js'
import { Field } from './fields.js'
import { text } from './texts.js'

const SHORTEST = 8
const PAUSE = 250 // milliseconds without a key pressed

export class NewPassword {
  readonly #password = new Field('new-password')
  readonly #again = new Field('new-password-again')
  readonly #shown = find('[data-strength]', HTMLElement)
  readonly #words = find('[data-strength-words]', HTMLElement)
  readonly #known: () => readonly string[]
  #pause: number | undefined

  /** known: what others know of the person, and so try first. */
  constructor(known: () => readonly string[]) {
    this.#known = known
    const { input } = this.#password
    input.addEventListener('focus', prepareStrength, { once: true })
    input.addEventListener('input', () => {
      window.clearTimeout(this.#pause)
      this.#pause = window.setTimeout(() => void this.#estimate(), PAUSE)
    })
  }

  get value(): string {
    return this.#password.value
  }

  /** The password, if it was typed twice and may be taken; null, and the person told, if not. */
  async ask(): Promise<string | null> {
    const password = this.value
    if (password === '') return this.#refuse(this.#password, 'missing.new-password')
    if (Array.from(password.normalize('NFKC')).length < SHORTEST) return this.#refuse(this.#password, 'password.short')
    if ((await strength(password, this.#known())).tooWeak) return this.#refuse(this.#password, 'password.common')
    if (this.#again.value === '') return this.#refuse(this.#again, 'missing.new-password-again')
    if (this.#again.value !== password) return this.#refuse(this.#again, 'password.differs')
    return password
  }

  /** Forget what was typed. */
  clear(): void {
    for (const { input } of [this.#password, this.#again]) input.value = ''
    this.#shown.hidden = true
  }

  #refuse(field: Field, name: string): null {
    this.#shown.hidden = true // one word at a time
    field.refuse(text(name))
    return null
  }

  async #estimate(): Promise<void> {
    const password = this.value
    this.#shown.hidden = password === ''
    if (password === '') return
    try {
      const found = await strength(password, this.#known())
      if (password === this.value) this.#show(found, password)
    } catch {
      this.#shown.hidden = true // it is fetched again when it is needed
    }
  }

  #show({ score, tooWeak, long }: Strength, password: string): void {
    this.#shown.dataset['strength'] = String(tooWeak ? 0 : score)
    const words = text(`strength.${score}`)
    if (Array.from(password).length < SHORTEST) this.#words.textContent = text('password.short')
    else if (tooWeak) this.#words.textContent = text('password.common')
    else this.#words.textContent = long ? words : text('strength.longer', { strength: words })
  }
}
