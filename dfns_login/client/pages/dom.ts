// What the scripts take from their page. A template that leaves out what they need is told so by name.

/** The element, of that class. Throws if the page has none. */
export function find<Kind extends Element>(selector: string, kind: new () => Kind, root: ParentNode = document): Kind {
  const found = seek(selector, kind, root)
  if (!found) throw new Error(`The page has no ${selector}.`)
  return found
}

/** The same, null if the page has none: for what a template may leave out. */
export function seek<Kind extends Element>(
  selector: string,
  kind: new () => Kind,
  root: ParentNode = document,
): Kind | null {
  const found = root.querySelector(selector)
  return found instanceof kind ? found : null
}

export function findAll<Kind extends Element>(
  selector: string,
  kind: new () => Kind,
  root: ParentNode = document,
): Kind[] {
  return Array.from(root.querySelectorAll(selector)).filter((each): each is Kind => each instanceof kind)
}

/** The words in an element of their own, so that their direction is theirs. */
export function apart(words: string): HTMLElement {
  const element = document.createElement('bdi')
  element.textContent = words
  return element
}

/** A copy of what the template holds: one element. */
export function copyOf(selector: string): HTMLElement {
  const copy = document.importNode(find(selector, HTMLTemplateElement).content, true).firstElementChild
  if (!(copy instanceof HTMLElement)) throw new Error(`The template ${selector} is empty.`)
  return copy
}
