/** A table of people from its choice to its end, as a state machine: what is taken was shown before, and counts once. */

import type { Fault, Imported, Outcome } from '../../api/agent-setup'
import type { Failure } from '../../api/errors'

export type Table = {
  readonly file: File
  /** Names the attempt: sent twice, it counts once. */
  readonly requestId: string
}

export type TableFlow =
  | { readonly kind: 'idle' }
  | { readonly kind: 'checking'; readonly table: Table }
  | { readonly kind: 'checked'; readonly table: Table; readonly found: Imported; readonly failure: Failure | undefined }
  | { readonly kind: 'taking'; readonly table: Table; readonly found: Imported }
  | { readonly kind: 'unfit'; readonly table: Table; readonly why: Unfit }
  | { readonly kind: 'done'; readonly found: Imported }

/** Why there is nothing to be taken. */
export type Unfit = { readonly kind: 'bytes' } | { readonly kind: 'passwords'; readonly count: number } | { readonly kind: 'conflict' } | { readonly kind: 'refused'; readonly faults: readonly Fault[]; /** So many are not told. */ readonly more: number } | { readonly kind: 'failed'; readonly failure: Failure }

export type TableStep =
  | { readonly kind: 'choose'; readonly table: Table }
  | { readonly kind: 'take' }
  /** The same file once more: people have changed since it was checked. */
  | { readonly kind: 'check-anew'; readonly requestId: string }
  | { readonly kind: 'unfit'; readonly requestId: string; readonly why: Unfit }
  | { readonly kind: 'answered'; readonly requestId: string; readonly outcome: Outcome<Imported> }

/** Whether nothing is wrong with a table but that somebody else has changed its people since it was checked. */
export function isOutdated({ faults }: Imported): boolean {
  return faults.length > 0 && faults.every(({ code }) => code === 'stale')
}

export const NO_TABLE: TableFlow = { kind: 'idle' }

export function nextOfTable(flow: TableFlow, step: TableStep): TableFlow {
  switch (step.kind) {
    case 'choose':
      // What is being taken is not taken back by another file.
      return flow.kind === 'taking' ? flow : { kind: 'checking', table: step.table }
    case 'take':
      return flow.kind === 'checked' && flow.found.faults.length === 0 ? { kind: 'taking', table: flow.table, found: flow.found } : flow
    case 'check-anew':
      return flow.kind === 'checked' ? { kind: 'checking', table: { file: flow.table.file, requestId: step.requestId } } : flow
    case 'unfit':
      return isUnderWay(flow, step.requestId) ? { kind: 'unfit', table: flow.table, why: step.why } : flow
    case 'answered':
      return isUnderWay(flow, step.requestId) ? after(flow, step.outcome) : flow
  }
}

type UnderWay = Extract<TableFlow, { kind: 'checking' | 'taking' }>

/** An answer about a table that was chosen before says nothing of this one. */
function isUnderWay(flow: TableFlow, requestId: string): flow is UnderWay {
  return (flow.kind === 'checking' || flow.kind === 'taking') && flow.table.requestId === requestId
}

function after(flow: UnderWay, outcome: Outcome<Imported>): TableFlow {
  const { table } = flow
  switch (outcome.kind) {
    case 'ok':
      if (flow.kind === 'taking' && outcome.value.faults.length === 0) return { kind: 'done', found: outcome.value }
      return { kind: 'checked', table, found: outcome.value, failure: undefined }
    case 'faults':
      return { kind: 'unfit', table, why: { kind: 'refused', faults: outcome.faults, more: outcome.more ?? 0 } }
    case 'conflict':
      return { kind: 'unfit', table, why: { kind: 'conflict' } }
    case 'failed':
      // Whether it was taken is not known; the same once more counts once.
      return flow.kind === 'taking' ? { kind: 'checked', table, found: flow.found, failure: outcome.failure } : { kind: 'unfit', table, why: { kind: 'failed', failure: outcome.failure } }
  }
}
