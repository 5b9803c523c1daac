// Texts that scripts show. The page contains them, translated, in `<template data-texts>`.

import { findAll, isolate } from './dom.js'

const texts = new Map(
  findAll('template[data-texts]', HTMLTemplateElement).flatMap(({ content }) =>
    findAll('[data-text]', HTMLElement, content).map((item) => [
      item.dataset['text'] ?? '',
      (item.textContent ?? '').trim().replace(/\s+/g, ' '),
    ]),
  ),
)

/** The text `name`, with its {placeholders} filled in. If there is no such text, the name itself. */
export function text(name: string, values: Readonly<Record<string, string>> = {}): string {
  return (texts.get(name) ?? name).replace(/\{(\w+)\}/g, (whole, key: string) => values[key] ?? whole)
}

/** The text `name`, with elements in place of its {placeholders}. */
export function textWith(name: string, places: Readonly<Record<string, Node>>): (string | Node)[] {
  return text(name)
    .split(/(\{\w+\})/)
    .map((part) => places[part.slice(1, -1)] ?? part)
}

/** The same as one element, for a message: the icon beside it is another. */
export function lineWith(name: string, places: Readonly<Record<string, Node>>): HTMLElement {
  const line = document.createElement('span')
  line.append(...textWith(name, places))
  return line
}

/** The name of something, in quotation marks. */
export function quoted(name: string): HTMLElement {
  return lineWith('quoted', { name: isolate(name) })
}

export function hasText(name: string): boolean {
  return texts.has(name)
}
