/** A change from its check to its end, as a state machine: nothing is made that was not shown before. */

import type { Change, Changed, Conflict, Edit, Fault, Outcome } from '../../api/agent-setup'
import type { Failure } from '../../api/errors'

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
  | { readonly kind: 'checking'; readonly proposal: Proposal }
  | { readonly kind: 'review'; readonly proposal: Proposal; readonly changes: readonly Change[]; readonly failure: Failure | undefined }
  | { readonly kind: 'applying'; readonly proposal: Proposal; readonly changes: readonly Change[] }
  | { readonly kind: 'faulty'; readonly proposal: Proposal; readonly faults: readonly Fault[] }
  | { readonly kind: 'conflict'; readonly proposal: Proposal; readonly conflict: Conflict }
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** All is so already. */
  | { readonly kind: 'same' }
  | { readonly kind: 'done'; readonly proposal: Proposal; readonly changed: Changed }

export type Step =
  | { readonly kind: 'propose'; readonly proposal: Proposal }
  | { readonly kind: 'answered'; readonly requestId: string; readonly outcome: Outcome<Changed> }
  | { readonly kind: 'confirm' }
  | { readonly kind: 'cancel' }

/** Whether an edit of a proposal deletes: a document that is not there does not say so, for a large one is not shown. */
export function isDeletion({ edits }: Proposal, { kind, id }: Pick<Change, 'kind' | 'id'>): boolean {
  return edits.some((edit) => edit.action === 'delete' && edit.kind === kind && edit.id === id)
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
      return flow.kind === 'applying' || flow.kind === 'checking' ? flow : { kind: 'checking', proposal: step.proposal }
    case 'confirm':
      return flow.kind === 'review' ? { kind: 'applying', proposal: flow.proposal, changes: flow.changes } : flow
    case 'cancel':
      // What is under way is not taken back by closing a window.
      return flow.kind === 'applying' ? flow : IDLE
    case 'answered':
      return (flow.kind === 'checking' || flow.kind === 'applying') && flow.proposal.requestId === step.requestId ? after(flow, step.outcome) : flow
  }
}

function after(flow: Extract<Flow, { kind: 'checking' | 'applying' }>, outcome: Outcome<Changed>): Flow {
  const { proposal } = flow
  switch (outcome.kind) {
    case 'ok':
      if (flow.kind === 'checking' && outcome.value.changes.length === 0) return { kind: 'same' }
      return flow.kind === 'checking' ? { kind: 'review', proposal, changes: outcome.value.changes, failure: undefined } : { kind: 'done', proposal, changed: outcome.value }
    case 'faults':
      return { kind: 'faulty', proposal, faults: outcome.faults }
    case 'conflict':
      return { kind: 'conflict', proposal, conflict: outcome.conflict }
    case 'failed':
      // Whether it was made is not known; the same once more counts once.
      return flow.kind === 'checking' ? { kind: 'failed', failure: outcome.failure } : { kind: 'review', proposal, changes: flow.changes, failure: outcome.failure }
  }
}
