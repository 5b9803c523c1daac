// What the page and its worker say to each other.

import type { ToldError } from './errors.js'

export type Job =
  | { do: 'create'; password: string }
  | { do: 'open'; envelope: string; password: string }
  | { do: 'reseal'; envelope: string; oldPassword: string; newPassword: string }

export type Asked = Job & { id: number }

export type Said = { id: number } & ({ answer: unknown } | { error: ToldError })
