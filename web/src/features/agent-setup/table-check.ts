/** What of a table can be told before it is sent. */

import type { Unfit } from './table-flow'

/** The largest table that the server takes. */
export const TABLE_BYTES_MAX = 32 * 1024 * 1024
/** The most people with a password or a PIN in clear: each costs the server some tenths of a second. */
export const PASSWORDS_MAX = 50

/** The columns of which the server keeps hashes. */
const HASHED = ['password', 'pin']

/** How many people of a table (RFC 4180) have a password or a PIN in it. */
export function passwordsIn(text: string): number {
  const delimiter = /^[^\n,]*;/.test(text) ? ';' : ','
  const table = text.replace(/^\uFEFF/, '')
  let [row, column, cell, isQuoted, counted, count] = [0, 0, '', false, 0, 0]
  const at = new Set<number>()
  const ends = (): void => {
    if (row === 0 && HASHED.includes(cell.trim())) at.add(column)
    if (row > 0 && at.has(column) && cell.trim() !== '' && counted !== row) [counted, count] = [row, count + 1]
    cell = ''
  }
  for (const sign of table) {
    if (sign === '"') isQuoted = !isQuoted
    else if (isQuoted || (sign !== delimiter && sign !== '\n')) cell += sign
    else {
      ends()
      column = sign === '\n' ? 0 : column + 1
      row += sign === '\n' ? 1 : 0
      if (row === 1 && column === 0 && at.size === 0) return 0
    }
  }
  ends()
  return count
}

export async function refusedHere(file: Blob): Promise<Unfit | undefined> {
  if (file.size > TABLE_BYTES_MAX) return { kind: 'bytes' }
  const count = passwordsIn(await file.text().catch(() => ''))
  return count > PASSWORDS_MAX ? { kind: 'passwords', count } : undefined
}
