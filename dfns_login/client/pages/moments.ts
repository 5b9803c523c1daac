// Dates and times, in the page's language.

const { lang } = document.documentElement
const COMMON = { numberingSystem: 'latn' } as const // as codes and addresses have them

const days = new Intl.DateTimeFormat(lang, { ...COMMON, dateStyle: 'medium' })
const minutes = new Intl.DateTimeFormat(lang, { ...COMMON, dateStyle: 'medium', timeStyle: 'short' })

export function day(moment: Date): string {
  return days.format(moment)
}

/** moment: ISO 8601. */
export function timeElement(moment: string): HTMLTimeElement {
  const element = document.createElement('time')
  element.dateTime = moment
  element.textContent = minutes.format(new Date(moment))
  return element
}
