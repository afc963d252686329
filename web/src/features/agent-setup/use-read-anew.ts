import { useEffect } from 'react'
import { getObject, type Outcome, type Stored } from '../../api/agent-setup'
import type { Flow } from './change-flow'
import { allObjects } from './queries'
import type { Section } from './sections'

/** More are not read one by one. */
const SINGLY_MOST = 20

/**
 * After a refusal of many edits, or a failure in the middle: forgets those that were made before it. Where somebody else was faster, or where
 * it is not known what was made, all others are read anew, also those that the list does not show: so the same can be tried again at once.
 */
export function useReadAnew(tenant: string, section: Section, flow: Flow, onRead: (stored: readonly Stored[]) => void, onForget: (ids: readonly string[]) => void): void {
  useEffect(() => {
    if (flow.kind !== 'conflict' && flow.kind !== 'faulty' && flow.kind !== 'stopped') return
    const ids = flow.proposal.edits.map(({ id }) => id)
    onForget(ids.slice(0, flow.made))
    if (flow.kind === 'faulty') return
    const left = ids.slice(flow.made)
    void readAgain(tenant, section, left).then((outcome) => {
      if (outcome.kind !== 'ok') return
      const found = new Set(outcome.value.map(({ id }) => id))
      onRead(outcome.value)
      onForget(left.filter((id) => !found.has(id)))
    })
  }, [flow, tenant, section, onRead, onForget])
}

/** Those of these objects that are still there. */
async function readAgain(tenant: string, section: Section, ids: readonly string[]): Promise<Outcome<readonly Stored[]>> {
  if (ids.length > SINGLY_MOST) {
    const all = await allObjects(tenant, section, { q: '', skill: '', disabled: '' })
    const wanted = new Set(ids)
    return all.kind === 'ok' ? { kind: 'ok', value: all.value.filter(({ id }) => wanted.has(id)) } : all
  }
  const found: Stored[] = []
  for (const id of ids) {
    const outcome = await getObject(tenant, section.kind, id)
    if (outcome.kind === 'ok') found.push(outcome.value)
    else if (outcome.kind !== 'failed' || outcome.failure.kind !== 'not-found') return outcome
  }
  return { kind: 'ok', value: found }
}
