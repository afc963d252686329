/** The ticket by which the page is a phone. */

import { phonePaths } from '../lib/paths'
import { ask, type DeskAnswer } from './workspace'
import { textOf } from './workspace-shapes'

export type PhoneTicket = {
  /** The WebSocket's address with the ticket: a secret, good once and for a minute. */
  readonly url: string
  readonly realm: string
  readonly number: string
}

export type Place = Pick<Location, 'protocol' | 'host'>

const DEVICE = 'trunkline.phone.instance'

/** What this browser calls itself as a phone, a UUID: the same for all its tabs, of which one is the phone at a time, and after a page was loaded again. */
export function phoneDevice(keep: Pick<Storage, 'getItem' | 'setItem'>): string {
  const kept = keep.getItem(DEVICE)
  if (kept !== null) return kept
  const made = crypto.randomUUID()
  keep.setItem(DEVICE, made)
  return made
}

/** A ticket for the DN at which the session works, to be the phone of that name. */
export async function readTicket(device: string): Promise<DeskAnswer<PhoneTicket>> {
  const answer = await ask('POST', phonePaths.ticket(), { data: { device } })
  if (answer.kind === 'failed') return answer
  const ticket = ticketIn(answer.value, location)
  return ticket === undefined ? { kind: 'failed', failure: { kind: 'unreachable' } } : { kind: 'ok', value: ticket }
}

/** Of an answer. The page goes to its own host, by which it has come: its policy lets it go to no other. */
export function ticketIn(value: unknown, page: Place): PhoneTicket | undefined {
  const [url, realm, number] = [textOf(value, 'url'), textOf(value, 'realm'), textOf(value, 'number')]
  const found = /^wss?:\/\/[^/?#]+(\/[^#]*)/.exec(url)?.[1]
  if (found === undefined || realm === '' || number === '') return undefined
  return { url: `${page.protocol === 'https:' ? 'wss' : 'ws'}://${page.host}${found}`, realm, number }
}
