/** Candidates of a routing decision as lines: one for each who was near, one for all who share a reason. Pure. */

import type { Candidate } from './model'

export type CandidateLine = { readonly kind: 'one'; readonly candidate: Candidate } | { readonly kind: 'many'; readonly text: string; readonly agents: readonly string[] }

/** From more than so many with the same reason it is said once for all of them, as `trunkline trace` does. */
const EACH_MOST = 3

export function folded(candidates: readonly Candidate[]): readonly CandidateLine[] {
  const byReason = new Map<string, Candidate[]>()
  for (const candidate of candidates) {
    const same = byReason.get(candidate.text)
    if (same === undefined) byReason.set(candidate.text, [candidate])
    else same.push(candidate)
  }
  // Who was idle for how long is each one's own.
  const isFolded = (same: readonly Candidate[]): boolean => same.length > EACH_MOST && same.every((one) => one.idleMs === null || one.idleMs === undefined)
  return candidates.flatMap((candidate): CandidateLine[] => {
    const same = byReason.get(candidate.text) ?? []
    if (!isFolded(same)) return [{ kind: 'one', candidate }]
    return same[0] === candidate ? [{ kind: 'many', text: candidate.text, agents: same.map((one) => one.agent) }] : []
  })
}
