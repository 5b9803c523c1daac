// Choose a password: typed twice and not too weak. The strength estimator loads when the field is shown.

import { isTooShort, StrengthEstimator, type Strength } from '../strength.js'
import { find } from './dom.js'
import { Field } from './fields.js'
import { page } from './page_data.js'
import { text } from './texts.js'

const TYPING_PAUSE = 250 // milliseconds

export class NewPassword {
  readonly #password = new Field('new-password')
  readonly #confirmation = new Field('new-password-again')
  readonly #meter = find('[data-strength]', HTMLElement)
  readonly #label = find('[data-strength-words]', HTMLElement)
  readonly #known: () => readonly string[]
  readonly #estimator = new StrengthEstimator(page.strengthWorkerUrl, page.wordsUrl, () => void this.#estimate())
  #timer: number | undefined

  /** `known`: what others know about the person and would try first. */
  constructor(known: () => readonly string[]) {
    this.#known = known
    const { input } = this.#password
    new IntersectionObserver((entries, observer) => {
      if (!entries.some((each) => each.isIntersecting)) return
      observer.disconnect()
      this.#estimator.prepare()
    }).observe(input)
    input.addEventListener('input', () => {
      this.#makeRoom()
      window.clearTimeout(this.#timer)
      this.#timer = window.setTimeout(() => void this.#estimate(), TYPING_PAUSE)
    })
  }

  get value(): string {
    return this.#password.value
  }

  /** The password. If it is not acceptable, show an error and return null. */
  async validated(): Promise<string | null> {
    const password = this.value
    if (password === '') return this.#reject(this.#password, 'missing.new-password')
    if (isTooShort(password)) return this.#reject(this.#password, 'password.short')
    if ((await this.#estimator.estimate(password, this.#known())).tooWeak) return this.#reject(this.#password, 'password.common')
    if (this.#confirmation.value === '') return this.#reject(this.#confirmation, 'missing.new-password-again')
    if (this.#confirmation.value !== password) return this.#reject(this.#confirmation, 'password.differs')
    return password
  }

  /** Clear both fields. */
  clear(): void {
    for (const { input } of [this.#password, this.#confirmation]) input.value = ''
    this.#meter.hidden = true
  }

  #reject(field: Field, name: string): null {
    this.#meter.hidden = true // one message at a time
    field.showError(text(name))
    return null
  }

  /** Show the meter before there is a verdict: buttons that move then could be missed. */
  #makeRoom(): void {
    if (this.#meter.hidden) {
      this.#meter.dataset['strength'] = ''
      this.#label.textContent = ''
    }
    this.#meter.hidden = this.value === ''
  }

  async #estimate(): Promise<void> {
    const password = this.value
    this.#makeRoom()
    if (password === '') return
    try {
      const result = await this.#estimator.estimate(password, this.#known())
      if (password === this.value) this.#show(result, password)
    } catch {
      this.#meter.hidden = true // the next attempt loads it again
    }
  }

  #show({ score, tooWeak, long }: Strength, password: string): void {
    this.#meter.dataset['strength'] = String(tooWeak ? 0 : score)
    const label = text(`strength.${score}`)
    if (isTooShort(password)) this.#label.textContent = text('password.short')
    else if (tooWeak) this.#label.textContent = text('password.common')
    else this.#label.textContent = long ? label : text('strength.longer', { strength: label })
  }
}
