// Dates, times and durations in the page's language.

import { page } from './page_data.js'
import { text } from './texts.js'

const { language } = page
const COMMON = { numberingSystem: 'latn' } as const // the digits used in codes and addresses

const TIME = { hour: 'numeric', minute: '2-digit' } as const

/** Format the date, with the year. */
export function day(moment: Date): string {
  return new Intl.DateTimeFormat(language, { ...COMMON, dateStyle: 'long' }).format(moment)
}

/** A short date, without the year if it is this one. Not `dateStyle: 'medium'`, which is ambiguous in Arabic. */
function shortDate(moment: Date): Intl.DateTimeFormatOptions {
  const isThisYear = moment.getFullYear() === new Date().getFullYear()
  return { month: 'short', day: 'numeric', ...(isThisYear ? {} : { year: 'numeric' }) }
}

function element(moment: string, options: Intl.DateTimeFormatOptions): HTMLTimeElement {
  const shown = document.createElement('time')
  shown.dateTime = moment
  shown.textContent = new Intl.DateTimeFormat(language, { ...COMMON, ...options }).format(new Date(moment))
  return shown
}

/** Format the date and time. `moment`: ISO 8601. */
export function timeElement(moment: string): HTMLTimeElement {
  return element(moment, { ...shortDate(new Date(moment)), ...TIME })
}

/** Format the date only. `moment`: ISO 8601. */
export function dayElement(moment: string): HTMLTimeElement {
  return element(moment, shortDate(new Date(moment)))
}

/** Format the time of day only. `moment`: ISO 8601. */
export function clockElement(moment: string): HTMLTimeElement {
  return element(moment, TIME)
}

/** Format the day: "today", "yesterday", or its date. */
export function dayName(moment: Date): string {
  const daysAgo = [0, 1].find((ago) => {
    const then = new Date()
    then.setDate(then.getDate() - ago)
    return then.toDateString() === moment.toDateString()
  })
  const date = { ...COMMON, ...shortDate(moment) }
  if (daysAgo === undefined) return new Intl.DateTimeFormat(language, date).format(moment)
  return new Intl.RelativeTimeFormat(language, { numeric: 'auto' }).format(-daysAgo, 'day')
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
  return new Intl.NumberFormat(language, { ...COMMON, style: 'unit', unit, unitDisplay: 'long' }).format(count)
}
