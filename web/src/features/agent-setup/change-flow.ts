/** A change from its check to its end, as a state machine: nothing is made that was not shown before. */

import type { Change, Changed, Conflict, Edit, Fault, Outcome } from '../../api/agent-setup'
import type { Failure } from '../../api/errors'
import { BATCH } from './batches'

export type Proposal = {
  readonly edits: readonly Edit[]
  /** Names the attempt: sent twice, it counts once. */
  readonly requestId: string
  /** Fields whose secret is replaced, which no document shows. */
  readonly secrets: readonly string[]
  /** Fields whose secret is removed. */
  readonly removed?: readonly string[]
}

export type Flow =
  | { readonly kind: 'idle' }
  /** `done` of its edits are answered. */
  | { readonly kind: 'checking'; readonly proposal: Proposal; readonly done: number }
  /** `made` of its edits were made before the failure. */
  | { readonly kind: 'review'; readonly proposal: Proposal; readonly changes: readonly Change[]; readonly failure: Failure | undefined; readonly made: number }
  /** `made` of its edits were made by a try before, which is repeated from its beginning: what was made counts once. */
  | { readonly kind: 'applying'; readonly proposal: Proposal; readonly changes: readonly Change[]; readonly done: number; readonly made: number }
  /** Given up after a failure: `made` of its edits were made, and perhaps the batch behind them. */
  | { readonly kind: 'stopped'; readonly proposal: Proposal; readonly made: number }
  /** `made` of its edits were made before: they went in several batches. `more` faults are not told. */
  | { readonly kind: 'faulty'; readonly proposal: Proposal; readonly faults: readonly Fault[]; readonly more: number; readonly made: number }
  | { readonly kind: 'conflict'; readonly proposal: Proposal; readonly conflict: Conflict; readonly made: number }
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** All is so already. */
  | { readonly kind: 'same' }
  | { readonly kind: 'done'; readonly proposal: Proposal; readonly changed: Changed }

type UnderWay = Extract<Flow, { kind: 'checking' | 'applying' }>

export type Step =
  | { readonly kind: 'propose'; readonly proposal: Proposal }
  | { readonly kind: 'progress'; readonly requestId: string; readonly done: number }
  | { readonly kind: 'answered'; readonly requestId: string; readonly outcome: Outcome<Changed> }
  | { readonly kind: 'confirm' }
  | { readonly kind: 'cancel' }

/** Whether an edit of a proposal deletes: a document that is not there does not say so, for a large one is not shown. */
export function isDeletion({ edits }: Proposal, { kind, id }: Pick<Change, 'kind' | 'id'>): boolean {
  return edits.some((edit) => edit.action === 'delete' && edit.kind === kind && edit.id === id)
}

/** The changes of a proposal that are deletions, of many. */
export function deletedIn({ edits }: Proposal, changes: readonly Change[]): readonly Change[] {
  const gone = new Set(edits.filter(({ action }) => action === 'delete').map(({ kind, id }) => `${kind} ${id}`))
  return changes.filter(({ kind, id }) => gone.has(`${kind} ${id}`))
}

/** Whether somebody could not sign in any more: the person of that user name is disabled or deleted. */
export function shutsOut(user: string, proposal: Proposal, changes: readonly Change[]): boolean {
  const own = changes.find(({ kind, id }) => kind === 'person' && id === user)
  return own !== undefined && (isDeletion(proposal, own) || (own.after?.['disabled'] === true && own.before?.['disabled'] !== true))
}

/** Whether a form may be sent: what is being checked or stands for a decision is neither sent again nor changed under it. */
export function mayPropose({ kind }: Flow): boolean {
  return kind !== 'checking' && kind !== 'review' && kind !== 'applying' && kind !== 'conflict'
}

/** Whether somebody has made an object of that name before a new one was. */
export function isTaken(flow: Flow): boolean {
  if (flow.kind !== 'conflict') return false
  const { kind, id } = flow.conflict
  // Names differ by more than the case of their letters.
  return flow.proposal.edits.some((edit) => edit.kind === kind && edit.id.toLowerCase() === id.toLowerCase() && edit.expected_revision === 0)
}

export const IDLE: Flow = { kind: 'idle' }

export function next(flow: Flow, step: Step): Flow {
  switch (step.kind) {
    case 'propose':
      return flow.kind === 'applying' || flow.kind === 'checking' ? flow : { kind: 'checking', proposal: step.proposal, done: 0 }
    case 'confirm':
      return flow.kind === 'review' ? { kind: 'applying', proposal: flow.proposal, changes: flow.changes, done: 0, made: flow.made } : flow
    case 'cancel':
      // What is under way is not taken back by closing a window.
      if (flow.kind === 'review' && flow.failure !== undefined && isMany(flow.proposal)) return { kind: 'stopped', proposal: flow.proposal, made: flow.made }
      return flow.kind === 'applying' ? flow : IDLE
    case 'progress':
      return isUnderWay(flow, step.requestId) ? { ...flow, done: step.done } : flow
    case 'answered':
      return isUnderWay(flow, step.requestId) ? after(flow, step.outcome) : flow
  }
}

/** Whether a part of it may have been made: it goes in several batches. */
function isMany({ edits }: Proposal): boolean {
  return edits.length > BATCH
}

function isUnderWay(flow: Flow, requestId: string): flow is UnderWay {
  return (flow.kind === 'checking' || flow.kind === 'applying') && flow.proposal.requestId === requestId
}

function after(flow: UnderWay, outcome: Outcome<Changed>): Flow {
  const { proposal } = flow
  const made = flow.kind === 'applying' ? Math.max(flow.made, flow.done) : 0
  switch (outcome.kind) {
    case 'ok':
      if (flow.kind === 'checking' && outcome.value.changes.length === 0) return { kind: 'same' }
      return flow.kind === 'checking' ? { kind: 'review', proposal, changes: outcome.value.changes, failure: undefined, made } : { kind: 'done', proposal, changed: outcome.value }
    case 'faults':
      return { kind: 'faulty', proposal, faults: outcome.faults, more: outcome.more ?? 0, made }
    case 'conflict':
      return { kind: 'conflict', proposal, conflict: outcome.conflict, made }
    case 'failed':
      // Whether it was made is not known; the same once more counts once.
      return flow.kind === 'checking' ? { kind: 'failed', failure: outcome.failure } : { kind: 'review', proposal, changes: flow.changes, failure: outcome.failure, made }
  }
}
