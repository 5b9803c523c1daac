// Large mail providers, from a list in the page: a suggestion for a mistyped domain, and a link to the inbox.

import { find, findAll, findOptional } from './dom.js'
import { text, lineWith } from './texts.js'

const list = findOptional('template[data-mail-providers]', HTMLTemplateElement)

const providers = (list ? findAll('[data-domains]', HTMLElement, list.content) : []).map((item) => ({
  name: (item.textContent ?? '').trim(),
  domains: item.dataset['domains']?.split(' ') ?? [],
  inbox: item.dataset['inbox'] ?? '',
}))
const known = [...providers.flatMap(({ domains }) => domains), ...(list?.dataset['alike']?.split(' ') ?? [])]

function domainOf(address: string): string {
  return /@([^@]+)$/.exec(address)?.[1]?.toLowerCase() ?? ''
}

/** Whether one letter was added, left out, replaced, or exchanged with the next (Damerau-Levenshtein distance 1). */
function isOneEdit(one: string, other: string): boolean {
  if (one === other) return false
  let same = 0
  while (one[same] === other[same]) same += 1
  const [rest, otherRest] = [one.slice(same), other.slice(same)]
  const exchanged = (rest[1] ?? '') + (rest[0] ?? '') + rest.slice(2)
  return (
    rest.slice(1) === otherRest.slice(1) ||
    rest.slice(1) === otherRest ||
    rest === otherRest.slice(1) ||
    exchanged === otherRest
  )
}

/** The address with the domain that was probably meant; undefined if there is no such domain. */
function suggestedFor(address: string): string | undefined {
  const domain = domainOf(address)
  if (known.includes(domain)) return undefined
  const meant = providers.flatMap(({ domains }) => domains.slice(0, 1)).find((each) => isOneEdit(domain, each))
  return meant && address.slice(0, -domain.length) + meant
}

export class MailHelp {
  readonly #take: (address: string) => void

  /** `take`: called with the suggested address if the person chooses it. */
  constructor(take: (address: string) => void) {
    this.#take = take
  }

  /** Show what helps with this address. */
  show(address: string): void {
    const suggested = suggestedFor(address)
    for (const place of findAll('[data-suggestion]', HTMLElement)) {
      const words = suggested === undefined ? [] : [lineWith('suggestion', { address: this.#button(suggested) })]
      place.replaceChildren(...words)
    }
    const provider = providers.find(({ domains }) => domains.includes(domainOf(address)))
    for (const line of findAll('[data-inbox-line]', HTMLElement)) {
      line.hidden = !provider?.inbox
      const link = find('a', HTMLAnchorElement, line)
      link.href = provider?.inbox ?? ''
      link.textContent = text('inbox', { provider: provider?.name ?? '' })
    }
  }

  #button(address: string): HTMLElement {
    const button = document.createElement('button')
    button.type = 'button'
    button.className = 'dfns-link'
    button.dir = 'ltr'
    button.textContent = address
    button.addEventListener('click', () => this.#take(address))
    return button
  }
}
