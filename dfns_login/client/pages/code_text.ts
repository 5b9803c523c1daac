// The text of a code: what people paste and type, and what the field shows.

const GROUP = 4

/** The value of a decimal digit of any script. In each script, the ten digits follow each other. */
function digitValue(digit: string): string {
  const point = digit.codePointAt(0) ?? 0
  let value = 0
  while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(point - value - 1))) value++
  return String(value)
}

/** Upper case, with digits and dashes of any kind as ASCII, and without invisible characters. */
function simplified(text: string): string {
  return text
    .normalize('NFKC')
    .replace(/\p{Nd}/gu, digitValue)
    .replace(/[\p{Pd}\u2212]/gu, '-')
    .replace(/\p{Cf}/gu, '')
    .toUpperCase()
}

/** Letters and digits of the text, without what separates them. */
export function significant(text: string): string {
  return simplified(text).replace(/[^\p{L}\p{N}]/gu, '')
}

/** In groups of four: `1234-1234-1`. */
export function grouped(characters: string): string {
  return (characters.match(/.{1,4}/gu) ?? []).join('-')
}

/** Find a code of this length in a text such as a whole email; null if there is none. */
export function findCode(text: string, length: number, digits: boolean): string | null {
  const plain = simplified(text)
  const whole = significant(text)
  if (whole.length === length) return whole
  const set = digits ? '0-9' : '0-9A-Z'
  const character = `[${set}]`
  const alone = (pattern: string): RegExp => new RegExp(`(?<![${set}-])${pattern}(?![${set}-])`)
  const groups = (separator: string): string =>
    `${character}{${GROUP}}(?:${separator}${character}{${GROUP}}){${length / GROUP - 1}}`
  const patterns = [alone(groups('-')), alone(`${character}{${length}}`), ...(digits ? [alone(groups('\\s'))] : [])]
  const bound = /@\S+\s+#(\S+)/.exec(plain)?.[1] ?? '' // the last line of the email, for autofill
  for (const place of [bound, plain]) {
    for (const pattern of patterns) {
      const found = pattern.exec(place)
      if (found) return significant(found[0])
    }
  }
  return null
}
