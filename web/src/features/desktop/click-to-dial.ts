/** Numbers that links of other pages bring: `/desktop?dial=tel:+4930123456`. */

import { dialled, isNumber } from './destination'

const PARAMETER = 'dial'
const LENGTH_MAX = 64

/** The number of an address; undefined where it has none. */
export function numberOfLink(search: string): string | undefined {
  const given = new URLSearchParams(search).get(PARAMETER)
  if (given === null || given.length > LENGTH_MAX) return undefined
  // RFC 3966: what follows a semicolon says something of the number, and is not dialled. The router writes what looks like JSON in quotes,
  // and a plus that was not encoded is read as a blank.
  const [plain = ''] = given.replace(/^"|"$/g, '').replace(/^tel:(\/\/)?/i, '').replace(/^ /, '+').split(';')
  const number = dialled(safelyDecoded(plain))
  return isNumber(number) ? number : undefined
}

function safelyDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The number that the address of this page brings, once: a page that is loaded again does not ask again. */
export function takeDialLink(): string | undefined {
  const number = numberOfLink(location.search)
  if (new URLSearchParams(location.search).has(PARAMETER)) history.replaceState(history.state, '', location.pathname)
  return number
}

/** Lets the browser open links to telephone numbers here; it asks the person. */
export function takeTelLinks(): void {
  navigator.registerProtocolHandler('tel', `${location.origin}/desktop?${PARAMETER}=%s`)
}

export const canTakeTelLinks = (): boolean => typeof navigator !== 'undefined' && 'registerProtocolHandler' in navigator
