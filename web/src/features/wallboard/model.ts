/** The wallboard's numbers, and how a message of the stream changes them. Pure. */

import type { components } from '../../api/generated/pulse'

/** In the order of the wall. */
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
] as const satisfies readonly Schemas['AgentState'][]
export type AgentState = (typeof AGENT_STATES)[number]

type Schemas = components['schemas']
export type Numbers = Schemas['Numbers']
export type Minute = Schemas['Minute']
export type Queue = Schemas['QueueRow']
export type Agent = Schemas['AgentRow']
export type States = Schemas['States']
export type Snapshot = Schemas['Snapshot']
export type Change = Schemas['Change']
export type Removed = Schemas['Gone']

export type Fact =
  | ({ readonly kind: 'snapshot' } & Snapshot)
  | ({ readonly kind: 'change' } & Change)
  | ({ readonly kind: 'reached' } & Schemas['Reached'])

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
