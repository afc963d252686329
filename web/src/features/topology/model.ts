/** The drawing as the server describes it, and what changed since the last look. Pure. */

export const STATES = ['open', 'idle', 'unused', 'embedded', 'failing', 'missing', 'absent'] as const
export type ConnectionState = (typeof STATES)[number]

export type Coverage = 'proven' | 'declared' | 'not-yet'

export type Connection = {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly protocol: string
  readonly port: string
  readonly carries: string
  readonly note: string
  /** One of ours, beside the drawing's. */
  readonly own: boolean
  readonly coverage: Coverage
  /** The test that proves it. */
  readonly proof: string | null
  readonly state: ConnectionState
  readonly open: number
  readonly attempts: number
  readonly requests: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly errors: number
  readonly lastUse: number | null
  readonly peers: readonly Peer[]
  /** Why it is missing or fails, in words. */
  readonly why: readonly string[]
  /** Under which ids it is measured, where the drawing has it twice. */
  readonly sameAs: readonly string[]
}

/** What one replica has counted for one other end. */
export type Peer = {
  readonly node: string
  readonly side: string
  readonly peer: string
  readonly open: number
  readonly requests: number
}

export type RoleNode = {
  readonly role: string
  readonly node: string
  readonly address: string
  readonly ready: boolean
  readonly missing: readonly string[]
}

export type Topology = {
  readonly at: number
  readonly instance: number
  readonly roles: readonly RoleNode[]
  readonly connections: readonly Connection[]
  readonly coverage: { readonly proven: number; readonly declared: number; readonly notYet: number; readonly total: number }
}

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
