// Every text that a script shows stands in the page, translated: `<template data-texts>`.

import { findAll } from './dom.js'

const texts = new Map(
  findAll('template[data-texts]', HTMLTemplateElement).flatMap(({ content }) =>
    findAll('[data-text]', HTMLElement, content).map((item) => [
      item.dataset['text'] ?? '',
      (item.textContent ?? '').trim().replace(/\s+/g, ' '),
    ]),
  ),
)

/** The text of this name, with what stands in braces filled in. A name without a text is shown as it is. */
export function text(name: string, values: Readonly<Record<string, string>> = {}): string {
  return (texts.get(name) ?? name).replace(/\{(\w+)\}/g, (whole, key: string) => values[key] ?? whole)
}

/** The text of this name, with elements in the place of what stands in braces. */
export function textWith(name: string, places: Readonly<Record<string, Node>>): (string | Node)[] {
  return text(name)
    .split(/(\{\w+\})/)
    .map((part) => places[part.slice(1, -1)] ?? part)
}

export function hasText(name: string): boolean {
  return texts.has(name)
}
