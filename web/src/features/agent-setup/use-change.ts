import { useQueryClient, type QueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useReducer } from 'react'
import { changeObjects, type Changed, type Edit, type Outcome } from '../../api/agent-setup'
import { t } from '../../lib/i18n'
import { accountNow, refreshAccount } from '../../live/account'
import { say } from '../../ui/toast'
import { inBatches } from './batches'
import { IDLE, next, type Flow, type Proposal } from './change-flow'
import { noteRefusal } from './refusal'

export type ChangeControl = {
  readonly flow: Flow
  /** Checks the edits and shows what they change. */
  readonly propose: (edits: readonly Edit[], secrets?: Pick<Proposal, 'secrets' | 'removed'>) => void
  readonly confirm: () => void
  readonly cancel: () => void
}

/** What lists show is not so any more; an object that is being edited has got its new state by the answer. */
export async function forgetLists(queries: QueryClient, tenant: string): Promise<void> {
  await queries.invalidateQueries({ queryKey: ['agent-setup', tenant], predicate: ({ queryKey }) => queryKey[2] === 'list' || queryKey[2] === 'names' || queryKey[2] === 'history' })
}

/** How a change has ended whose page is no longer there. */
function sayEnd({ kind }: Outcome<Changed>, made: number, count: number): void {
  say(kind === 'ok' ? t('setup.left.made', { count }) : t('setup.left.stopped', { made, count }), kind === 'ok' ? 'good' : 'bad')
}

/** The one change that a page is about. */
export function useChange(tenant: string): ChangeControl {
  const [flow, step] = useReducer(next, IDLE)
  const queries = useQueryClient()
  const proposal = flow.kind === 'checking' || flow.kind === 'applying' ? flow.proposal : undefined
  const isDry = flow.kind === 'checking'
  useEffect(() => {
    if (proposal === undefined) return
    const { edits, requestId } = proposal
    let [isWanted, isShown, made] = [true, true, 0]
    // The dry run has a name of its own: with that of the change, the change would be a repetition.
    const send = async (name: string, batch: readonly Edit[]): Promise<Outcome<Changed>> => {
      // Somebody else may have signed in meanwhile, in whose name nothing of this is to be saved.
      // Who was signed out may have signed in again, which the page has not asked for yet.
      if (!isDry || accountNow().kind !== 'in') await refreshAccount()
      return changeObjects(tenant, name, isDry, batch)
    }
    const onDone = (done: number): void => {
      made = done
      step({ kind: 'progress', requestId, done })
    }
    void inBatches(edits, isDry ? crypto.randomUUID() : requestId, send, onDone, () => isWanted).then((outcome) => {
      if (outcome.kind === 'failed') noteRefusal(outcome.failure)
      // Whoever has left the page is told all the same.
      if (!isDry && !isShown) sayEnd(outcome, made, edits.length)
      step({ kind: 'answered', requestId, outcome })
      // Also where somebody else was faster, and where only the first batches were made.
      if (!isDry || outcome.kind === 'conflict') void forgetLists(queries, tenant)
    })
    return () => {
      // A check is given up; what was begun is brought to its end.
      if (isDry) isWanted = false
      isShown = false
    }
  }, [proposal, isDry, tenant, queries])
  const propose = useCallback(
    (edits: readonly Edit[], secrets: Pick<Proposal, 'secrets' | 'removed'> = { secrets: [] }) => step({ kind: 'propose', proposal: { ...secrets, edits, requestId: crypto.randomUUID() } }),
    [],
  )
  return { flow, propose, confirm: useCallback(() => step({ kind: 'confirm' }), []), cancel: useCallback(() => step({ kind: 'cancel' }), []) }
}
