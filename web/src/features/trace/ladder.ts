/** What the ladder draws. Pure. */

import type { Message, Party } from './model'

export type Tone = 'request' | 'provisional' | 'success' | 'failure'

/** Between two columns, or at one: a message to oneself. */
export type Rung = {
  /** The same at the next look, when more messages have come. */
  readonly id: string
  readonly message: Message
  readonly from: number
  readonly to: number
  readonly tone: Tone
  /** Which SIP dialog, counted from 1 in the order of appearance. */
  readonly dialog: number
}

export type Ladder = { readonly columns: readonly Party[]; readonly rungs: readonly Rung[] }

export type Scope = 'all' | 'outside'

/** With `outside`, only what went to or came from somebody outside the installation. */
export function ladderOf(parties: readonly Party[], messages: readonly Message[], scope: Scope): Ladder {
  const outside = new Set(parties.filter((party) => !party.inside).map((party) => party.id))
  const shown = scope === 'all' ? messages : messages.filter((message) => outside.has(message.from) || outside.has(message.to))
  const used = new Set(shown.flatMap((message) => [message.from, message.to]))
  const known = new Set(parties.map((party) => party.id))
  const strangers = [...used].filter((id) => !known.has(id)).map((id): Party => ({ id, name: id, inside: false }))
  const columns = [...parties.filter((party) => used.has(party.id)), ...strangers]
  const place = new Map(columns.map((party, index) => [party.id, index]))
  const dialogs = [...new Set(messages.map((message) => message.callId))]
  const seen = new Map<string, number>()
  const rungs = [...shown]
    .sort((a, b) => a.at - b.at)
    .map((message): Rung => ({
      id: idOf(message, seen),
      message,
      from: place.get(message.from) ?? 0,
      to: place.get(message.to) ?? 0,
      tone: toneOf(message.status),
      dialog: dialogs.indexOf(message.callId) + 1,
    }))
  return { columns, rungs }
}

/** A message has no name of its own: what it is, and which of those that look the same. */
function idOf(message: Message, seen: Map<string, number>): string {
  const look = [message.at, message.from, message.to, message.callId, message.label].join(' ')
  const before = seen.get(look) ?? 0
  seen.set(look, before + 1)
  return `${look} ${before}`
}

function toneOf(status: number | null): Tone {
  if (status === null) return 'request'
  if (status < 200) return 'provisional'
  // A challenge is part of a good registration or call.
  if (status < 300 || status === 401 || status === 407) return 'success'
  return 'failure'
}
