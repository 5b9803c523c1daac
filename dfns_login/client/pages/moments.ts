// Dates and times, in the page's language.

const { lang } = document.documentElement
const COMMON = { numberingSystem: 'latn' } as const // as codes and addresses have them

// Not 'medium', which in Arabic is a row of numbers that reads as another date.
const days = new Intl.DateTimeFormat(lang, { ...COMMON, dateStyle: 'long' })
const minutes = new Intl.DateTimeFormat(lang, { ...COMMON, dateStyle: 'long', timeStyle: 'short' })

export function day(moment: Date): string {
  return days.format(moment)
}

function element(moment: string, format: Intl.DateTimeFormat): HTMLTimeElement {
  const shown = document.createElement('time')
  shown.dateTime = moment
  shown.textContent = format.format(new Date(moment))
  return shown
}

/** The minute. moment: ISO 8601. */
export function timeElement(moment: string): HTMLTimeElement {
  return element(moment, minutes)
}

/** The day alone. moment: ISO 8601. */
export function dayElement(moment: string): HTMLTimeElement {
  return element(moment, days)
}
