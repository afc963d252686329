/** The drawing as the server describes it, and what changed since the last look. Pure. */

import type { components } from '../../api/generated/operations'

type Schemas = components['schemas']
export type ConnectionState = Schemas['RowState']
export type Coverage = Schemas['Coverage']
export type Connection = Schemas['Row']
/** What one replica has counted for one other end. */
export type Peer = Schemas['PeerRow']
export type RoleNode = Schemas['RoleRow']
export type Topology = Schemas['Topology']

/** In the order of the legend. */
export const STATES = ['open', 'idle', 'unused', 'embedded', 'failing', 'missing', 'absent'] as const satisfies readonly ConnectionState[]

/** Requests a second of each connection that was used between two looks. */
export type Rates = ReadonlyMap<string, number>

/** A connection without counted requests moves bytes; so many of them look like one request. */
const BYTES_LIKE_A_REQUEST = 2_000

export function ratesBetween(before: Topology | undefined, after: Topology): Rates {
  if (before === undefined || after.at <= before.at) return new Map()
  const seconds = (after.at - before.at) / 1_000
  const known = new Map(before.connections.map((connection) => [connection.id, connection]))
  const rates = new Map<string, number>()
  for (const connection of after.connections) {
    const last = known.get(connection.id)
    if (last === undefined) continue
    const requests = connection.requests - last.requests
    const bytes = connection.bytesIn + connection.bytesOut - last.bytesIn - last.bytesOut
    const rate = (requests > 0 ? requests : bytes / BYTES_LIKE_A_REQUEST) / seconds
    // A restarted role counts from nothing: that is no traffic backwards.
    if (rate > 0) rates.set(connection.id, rate)
  }
  return rates
}

export type Filter = { readonly text: string; readonly state: ConnectionState | 'all' }

/** Rows in which every word of the text stands somewhere. */
export function filtered(connections: readonly Connection[], filter: Filter): readonly Connection[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter((word) => word !== '')
  return connections.filter((connection) => {
    if (filter.state !== 'all' && connection.state !== filter.state) return false
    const row = [connection.id, connection.from, connection.to, connection.protocol, connection.port, connection.carries, connection.proof ?? '', connection.coverage]
      .join(' ')
      .toLowerCase()
    return words.every((word) => row.includes(word))
  })
}

export type StateCount = { readonly drawn: number; readonly own: number }

/** Of the drawing's connections and of ours, how many are in a state. */
export function countOf(connections: readonly Connection[], state: ConnectionState): StateCount {
  const some = connections.filter((connection) => connection.state === state)
  const own = some.filter((connection) => connection.own).length
  return { drawn: some.length - own, own }
}

/** Whether anything is counted for it: a store inside the process has no socket, and what is not there yet has none either. */
export function isCounted(connection: Connection): boolean {
  return connection.state !== 'embedded' && connection.state !== 'absent'
}

export type PartyState = 'ready' | 'unready' | 'embedded' | 'away'

/** A store inside the process runs, although it is no role. */
export function partyState(role: RoleNode | undefined, isEmbedded: boolean): PartyState {
  if (role !== undefined) return role.ready ? 'ready' : 'unready'
  return isEmbedded ? 'embedded' : 'away'
}

/** What is looked at: nothing, one part of the drawing, or one connection. */
export type Selection =
  | { readonly kind: 'none' }
  | { readonly kind: 'party'; readonly name: string }
  | { readonly kind: 'connection'; readonly id: string }

export function touches(selection: Selection, connection: Connection): boolean {
  switch (selection.kind) {
    case 'none':
      return false
    case 'party':
      return connection.from === selection.name || connection.to === selection.name
    case 'connection':
      return connection.id === selection.id
  }
}
