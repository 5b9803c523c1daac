// The kit key: what a person types from the printed recovery kit. Crockford's base32, in ten groups of four.
//
//   12 characters   selector: names the recovery key, is no secret (60 random bits)
//   26 characters   secret: the passphrase of the recovery key's age file (130 random bits)
//    2 characters   check: a mistyped kit key is told before the mailed code is spent

import { base64url, utf8 } from './encoding.js'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const SELECTOR_LENGTH = 12
const SECRET_LENGTH = 26
const CHECK_LENGTH = 2
const LENGTH = SELECTOR_LENGTH + SECRET_LENGTH + CHECK_LENGTH
const GROUP = /.{4}(?=.)/g
const ID_PREFIX = 'kit:'

// All forty digits, read as one number in base 32, leave 1 when divided by the greatest prime below 32². Neither one
// wrong digit nor two neighbours exchanged can leave the same: they add (a-b)·32^i or (a-b)·31·32^i, of which no
// factor divides by the prime. (ISO/IEC 7064 calls such systems pure, and has them for other alphabets.)
const MODULUS = 1021

/** Not a kit key. problem: what a person can look for. */
export class KitMistypedError extends Error {
  override name = 'KitMistypedError'
  readonly problem: 'length' | 'character' | 'check'

  constructor(problem: KitMistypedError['problem']) {
    super(`The kit key is mistyped: ${problem}.`)
    this.problem = problem
  }
}

/** A kit key, read. credId: of the recovery key, base64url of "kit:" and the selector in ASCII. */
export interface KitKey {
  credId: string
  secret: string
}

function remainder(digits: string): number {
  return Array.from(digits).reduce((rest, digit) => (rest * ALPHABET.length + ALPHABET.indexOf(digit)) % MODULUS, 0)
}

function checkDigits(payload: string): string {
  const check = (MODULUS + 1 - remainder(payload + '0'.repeat(CHECK_LENGTH))) % MODULUS
  return ALPHABET.charAt(Math.floor(check / ALPHABET.length)) + ALPHABET.charAt(check % ALPHABET.length)
}

function randomDigits(count: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(count))
  return Array.from(bytes, (byte) => ALPHABET.charAt(byte % ALPHABET.length)).join('') // 256 is 8·32: no digit is likelier
}

/** A kit key at random, in groups of four with dashes between them. */
export function newKitKey(): string {
  const payload = randomDigits(SELECTOR_LENGTH + SECRET_LENGTH)
  return (payload + checkDigits(payload)).replace(GROUP, '$&-')
}

/**
 * Read a kit key as it was typed: any case, spaces and dashes anywhere, O for 0, I and L for 1, full-width forms.
 * Throws KitMistypedError.
 */
export function parseKit(text: string): KitKey {
  const plain = text.normalize('NFKC').toUpperCase()
  const digits = plain.replace(/[\s\p{Pd}\p{Cf}−]/gu, '').replaceAll('O', '0').replace(/[IL]/g, '1')
  if (Array.from(digits).some((digit) => !ALPHABET.includes(digit))) throw new KitMistypedError('character')
  if (digits.length !== LENGTH) throw new KitMistypedError('length')
  if (remainder(digits) !== 1) throw new KitMistypedError('check')
  const selector = digits.slice(0, SELECTOR_LENGTH)
  return {
    credId: base64url(utf8(ID_PREFIX + selector)),
    secret: digits.slice(SELECTOR_LENGTH, SELECTOR_LENGTH + SECRET_LENGTH),
  }
}
