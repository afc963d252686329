/** The wallboard's numbers, and how a message of the stream changes them. Pure. */

export const AGENT_STATES = [
  'ready',
  'notReady',
  'afterCallWork',
  'ringing',
  'dialing',
  'onHold',
  'inbound',
  'outbound',
  'internal',
  'consult',
  'unknown',
  'loggedOut',
] as const
export type AgentState = (typeof AGENT_STATES)[number]

/** Numbers of today, of one queue or of all. Times are milliseconds since the Unix epoch. */
export type Numbers = {
  readonly waiting: number
  readonly longestWaitSince: number | null
  readonly entered: number
  readonly answered: number
  readonly abandoned: number
  readonly shortAbandoned: number
  /** Percent; null while no call counts. */
  readonly serviceLevel: number | null
  /** Seconds; null for all queues together where they differ. */
  readonly serviceLevelThreshold: number | null
  readonly averageSpeedOfAnswerMs: number | null
}

/** One minute of a queue. */
export type Minute = {
  readonly from: number
  readonly entered: number
  readonly answered: number
  readonly abandoned: number
  readonly waitingMax: number
}

export type Queue = Numbers & { readonly id: string; readonly name: string; readonly history: readonly Minute[] }

export type Agent = {
  readonly id: string
  readonly name: string
  readonly extension: string | null
  readonly state: AgentState
  readonly reason: string | null
  readonly since: number
}

export type States = Readonly<Record<AgentState, number>>

/** What the server sends first, and again after each reconnection. */
export type Snapshot = {
  readonly tenant: string
  readonly name: string
  /** Up to where events are counted; only equal or not. */
  readonly position: string
  readonly at: number
  /** When the oldest fact happened that no message before this has counted; null where time alone has changed something. */
  readonly eventAt: number | null
  /** Since when the numbers count: midnight, or later where what came before is not known. */
  readonly countsSince: number
  readonly totals: Numbers
  readonly queues: readonly Queue[]
  readonly states: States
  readonly agents: readonly Agent[]
}

export type Removed = { readonly id: string; readonly removed: true }

/** The same with only the rows that changed. */
export type Change = Pick<Snapshot, 'position' | 'at' | 'eventAt' | 'countsSince' | 'totals' | 'states'> & {
  readonly queues?: readonly (Queue | Removed)[]
  readonly agents?: readonly (Agent | Removed)[]
}

export type Fact =
  | ({ readonly kind: 'snapshot' } & Snapshot)
  | ({ readonly kind: 'change' } & Change)
  | { readonly kind: 'reached'; readonly at: number }

/** What the page shows. Rows that did not change stay the same objects, so that their tiles need not be drawn again. */
export type Board = {
  readonly tenant: string
  readonly name: string
  readonly position: string
  readonly at: number
  readonly countsSince: number
  readonly totals: Numbers
  readonly states: States
  readonly queues: readonly Queue[]
  readonly agents: readonly Agent[]
}

/** The board after a fact. Changes without a snapshot before them change nothing. */
export function reduce(board: Board | undefined, fact: Fact): Board | undefined {
  switch (fact.kind) {
    case 'snapshot':
      return {
        tenant: fact.tenant,
        name: fact.name,
        position: fact.position,
        at: fact.at,
        countsSince: fact.countsSince,
        totals: fact.totals,
        states: fact.states,
        queues: fact.queues,
        agents: [...fact.agents].sort(byName),
      }
    case 'change':
      if (board === undefined) return board
      return {
        ...board,
        position: fact.position,
        at: fact.at,
        countsSince: fact.countsSince,
        totals: fact.totals,
        states: fact.states,
        queues: withRows(board.queues, fact.queues ?? [], undefined),
        agents: withRows(board.agents, fact.agents ?? [], byName),
      }
    case 'reached':
      return board === undefined ? undefined : { ...board, at: fact.at }
  }
}

/** The rows with the changed ones in their places; new ones at the end, or in order where there is one. */
function withRows<Row extends { readonly id: string }>(
  rows: readonly Row[],
  changes: readonly (Row | Removed)[],
  order: ((a: Row, b: Row) => number) | undefined,
): readonly Row[] {
  if (changes.length === 0) return rows
  const changed = new Map(changes.map((row) => [row.id, row]))
  let isOrdered = true
  const next: Row[] = []
  for (const row of rows) {
    const change = changed.get(row.id)
    changed.delete(row.id)
    if (change === undefined) next.push(row)
    else if (!('removed' in change)) {
      isOrdered &&= order === undefined || order(row, change) === 0
      next.push(change)
    }
  }
  for (const row of changed.values()) {
    if ('removed' in row) continue
    isOrdered = false
    next.push(row)
  }
  return isOrdered || order === undefined ? next : next.sort(order)
}

const collator = new Intl.Collator('en', { numeric: true })

/** Agents keep their places on the wall: by name, not by state. */
function byName(a: Agent, b: Agent): number {
  return collator.compare(a.name, b.name) || collator.compare(a.id, b.id)
}
