/** What of a table can be told before it is sent. */

import type { Unfit } from './table-flow'

/** The largest table that the server takes. */
export const TABLE_BYTES_MAX = 32 * 1024 * 1024
/** The most passwords in clear: each costs the server some tenths of a second. */
export const PASSWORDS_MAX = 50

/** How many people of a table (RFC 4180) have a password in it. */
export function passwordsIn(text: string): number {
  const delimiter = /^[^\n,]*;/.test(text) ? ';' : ','
  const table = text.replace(/^\uFEFF/, '')
  let [row, column, cell, isQuoted, at, count] = [0, 0, '', false, -1, 0]
  const ends = (): void => {
    if (row === 0 && cell.trim() === 'password') at = column
    if (row > 0 && column === at && cell.trim() !== '') count += 1
    cell = ''
  }
  for (const sign of table) {
    if (sign === '"') isQuoted = !isQuoted
    else if (isQuoted || (sign !== delimiter && sign !== '\n')) cell += sign
    else {
      ends()
      column = sign === '\n' ? 0 : column + 1
      row += sign === '\n' ? 1 : 0
      if (row === 1 && column === 0 && at === -1) return 0
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
