import { useEffect } from 'react'
import { getObject, KINDS, type Stored } from '../../api/agent-setup'
import type { Flow } from './change-flow'

/** After a refusal of many edits: forgets those that were made before it, and reads the object anew at which somebody else was faster, so that the same can be tried again. */
export function useReadAnew(tenant: string, flow: Flow, onRead: (stored: readonly Stored[]) => void, onForget: (ids: readonly string[]) => void): void {
  useEffect(() => {
    if (flow.kind !== 'conflict' && flow.kind !== 'faulty') return
    onForget(flow.proposal.edits.slice(0, flow.made).map(({ id }) => id))
    if (flow.kind === 'faulty') return
    const { id } = flow.conflict
    const kind = KINDS.find((one) => one === flow.conflict.kind)
    if (kind === undefined) return
    void getObject(tenant, kind, id).then((outcome) => {
      if (outcome.kind === 'ok') onRead([outcome.value])
      if (outcome.kind === 'failed' && outcome.failure.kind === 'not-found') onForget([id])
    })
  }, [flow, tenant, onRead, onForget])
}
