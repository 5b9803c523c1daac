// The kit key, which a person types from the printed recovery kit: Crockford's base32 in ten groups of four.
//
//   12 characters   selector: identifies the recovery key; not secret (60 random bits)
//   26 characters   secret: the passphrase of the recovery key's age file (130 random bits)
//    2 characters   check: finds typos before the emailed code is used up

import { base64url, utf8 } from './encoding.js'
import { LoginError } from './errors.js'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const SELECTOR_LENGTH = 12
const SECRET_LENGTH = 26
const CHECK_LENGTH = 2
const LENGTH = SELECTOR_LENGTH + SECRET_LENGTH + CHECK_LENGTH
const GROUP = /.{4}(?=.)/g
const ID_PREFIX = 'kit:'

// The forty digits, read as one base-32 number, are 1 modulo the greatest prime below 32². One wrong digit changes the
// number by (a-b)·32^i, two swapped neighbors by (a-b)·31·32^i. The prime divides neither, so both errors are found.
// (ISO/IEC 7064 describes such "pure" systems for other alphabets.)
const MODULUS = 1021

/** The text is not a kit key. `problem`: what the person should check. */
export class InvalidKitKeyError extends LoginError {
  override name = 'InvalidKitKeyError'
  readonly problem: 'length' | 'character' | 'check'

  constructor(problem: InvalidKitKeyError['problem']) {
    super(`Invalid kit key: ${problem}.`)
    this.problem = problem
  }
}

/** A parsed kit key. `credId`: the recovery key's credential id, base64url of "kit:" and the selector in ASCII. */
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
  // 256 is a multiple of 32, so all digits are equally likely.
  return Array.from(bytes, (byte) => ALPHABET.charAt(byte % ALPHABET.length)).join('')
}

/** Generate a kit key, in groups of four separated by dashes. */
export function newKitKey(): string {
  const payload = randomDigits(SELECTOR_LENGTH + SECRET_LENGTH)
  return (payload + checkDigits(payload)).replace(GROUP, '$&-')
}

/**
 * Parse a kit key as typed: ignores case, spaces and dashes, reads O as 0, I and L as 1, and accepts full-width
 * characters. Throws InvalidKitKeyError.
 */
export function parseKit(text: string): KitKey {
  const plain = text.normalize('NFKC').toUpperCase()
  const digits = plain.replace(/[\s\p{Pd}\p{Cf}−]/gu, '').replaceAll('O', '0').replace(/[IL]/g, '1')
  if (Array.from(digits).some((digit) => !ALPHABET.includes(digit))) throw new InvalidKitKeyError('character')
  if (digits.length !== LENGTH) throw new InvalidKitKeyError('length')
  if (remainder(digits) !== 1) throw new InvalidKitKeyError('check')
  const selector = digits.slice(0, SELECTOR_LENGTH)
  return {
    credId: base64url(utf8(ID_PREFIX + selector)),
    secret: digits.slice(SELECTOR_LENGTH, SELECTOR_LENGTH + SECRET_LENGTH),
  }
}
