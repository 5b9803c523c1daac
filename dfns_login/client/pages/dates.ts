// Dates, times and durations in the page's language.

import { text } from './texts.js'

const { lang } = document.documentElement
const COMMON = { numberingSystem: 'latn' } as const // the digits used in codes and addresses

// 'long', because 'medium' is ambiguous in Arabic.
const days = new Intl.DateTimeFormat(lang, { ...COMMON, dateStyle: 'long' })
const minutes = new Intl.DateTimeFormat(lang, { ...COMMON, dateStyle: 'long', timeStyle: 'short' })

/** Format the date. */
export function day(moment: Date): string {
  return days.format(moment)
}

function element(moment: string, format: Intl.DateTimeFormat): HTMLTimeElement {
  const shown = document.createElement('time')
  shown.dateTime = moment
  shown.textContent = format.format(new Date(moment))
  return shown
}

/** Format the date and time. `moment`: ISO 8601. */
export function timeElement(moment: string): HTMLTimeElement {
  return element(moment, minutes)
}

/** Format the date only. `moment`: ISO 8601. */
export function dayElement(moment: string): HTMLTimeElement {
  return element(moment, days)
}

/** Format a duration, such as "45 seconds" or "about 20 minutes". */
export function duration(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000)
  if (seconds < 60) return inUnit(seconds, 'second')
  const minutes = Math.round(seconds / 60)
  const time = minutes < 60 ? inUnit(minutes, 'minute') : inUnit(Math.round(minutes / 60), 'hour')
  return text('time.about', { time })
}

function inUnit(count: number, unit: 'second' | 'minute' | 'hour'): string {
  return new Intl.NumberFormat(lang, { ...COMMON, style: 'unit', unit, unitDisplay: 'long' }).format(count)
}
