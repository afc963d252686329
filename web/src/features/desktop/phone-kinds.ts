/** Which DNs are browser phones: told by places, and for a page that is loaded again by a ticket that is had or not. */

import { phoneDevice, readTicket } from '../../api/browser-phone'
import type { DeskFailure } from '../../api/workspace'
import { keepKinds, keptKinds } from './kept-phone-kinds'

/** The answer for a DN that is a phone of its own. */
const IS_NONE = 409

/** Whether it may be answered soon. An installation without phones in browsers says so for good (501). */
export function isPassing(failure: DeskFailure): boolean {
  if (failure.kind !== 'refused') return failure.kind !== 'signed-out'
  return failure.status === 429 || (failure.status >= 500 && failure.status !== 501)
}

/** Where no place has told it, the server is asked once. Undefined where that does not answer: it is to be asked again. */
export async function isBrowserPhone(number: string): Promise<boolean | undefined> {
  const known = keptKinds()[number]
  if (known !== undefined) return known
  const ticket = await readTicket(phoneDevice(localStorage))
  if (ticket.kind === 'failed' && isPassing(ticket.failure)) return undefined
  if (ticket.kind === 'failed' && (ticket.failure.kind !== 'refused' || ticket.failure.status !== IS_NONE)) return false
  const is = ticket.kind === 'ok' && ticket.value.number === number
  keepKinds([{ number, agent: '', isBrowserPhone: is }])
  return is
}
