// Find elements of the page. The error for a missing element names its selector.

/** Find an element of this class. Throws if there is none. */
export function find<Kind extends Element>(selector: string, kind: new () => Kind, root: ParentNode = document): Kind {
  const found = findOptional(selector, kind, root)
  if (!found) throw new Error(`The page has no ${selector}.`)
  return found
}

/** Find an element that a template may omit; null if there is none. */
export function findOptional<Kind extends Element>(
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

/** Wrap text in `<bdi>`, so that its direction doesn't affect the surrounding text. */
export function isolate(content: string): HTMLElement {
  const element = document.createElement('bdi')
  element.textContent = content
  return element
}

/** Some text with elements in it. */
export type Part = readonly (string | Node)[]

/** Show the parts, separated by dots. Hides the element if there are none. */
export function showParts(element: HTMLElement, parts: readonly Part[]): void {
  element.replaceChildren(...parts.flatMap((part, index) => (index > 0 ? [' · ', ...part] : part)))
  element.hidden = parts.length === 0
}

/** Clone the single element in a template. */
export function cloneTemplate(selector: string): HTMLElement {
  const copy = document.importNode(find(selector, HTMLTemplateElement).content, true).firstElementChild
  if (!(copy instanceof HTMLElement)) throw new Error(`The template ${selector} is empty.`)
  return copy
}
