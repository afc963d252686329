import { useQuery } from '@tanstack/react-query'
import type { DeskAnswer, DeskFailure } from '../../../api/workspace'
import { readWaiting, readWhy, type ExplainedWait, type WaitingCalls } from '../../../api/workspace-course'

/** How often it is asked which calls wait, and why one of them does. */
const WAITING_MS = 5_000
const WHY_MS = 3_000

export type Waiting = { readonly waiting: WaitingCalls | undefined; readonly isAway: boolean }

/** What was answered, or the failure: a call that waits no more is no failure of the question. */
type Told<T> = { readonly value: T | undefined; readonly failure: DeskFailure | undefined }

const toldOf = <T>(answer: DeskAnswer<T>): Told<T> => (answer.kind === 'ok' ? { value: answer.value, failure: undefined } : { value: undefined, failure: answer.failure })

/** The calls that wait, as they were told last. */
export function useWaiting(): Waiting {
  const { data } = useQuery<Told<WaitingCalls>>({
    queryKey: ['team', 'waiting'],
    queryFn: async ({ client, queryKey }) => {
      const told = toldOf(await readWaiting())
      return told.value === undefined ? { ...told, value: client.getQueryData<Told<WaitingCalls>>(queryKey)?.value } : told
    },
    refetchInterval: WAITING_MS,
    retry: false,
  })
  return { waiting: data?.value, isAway: data?.failure !== undefined }
}

export type Why = { readonly why: ExplainedWait | undefined; /** It waits no more. */ readonly isGone: boolean; readonly isAway: boolean }

/** Why a call waits, as long as it does. */
export function useWhy(call: string): Why {
  const { data } = useQuery<Told<ExplainedWait>>({ queryKey: ['team', 'why', call], queryFn: async () => toldOf(await readWhy(call)), refetchInterval: WHY_MS, retry: false })
  const failure = data?.failure
  const isGone = failure?.kind === 'refused' && failure.status === 404
  return { why: data?.value, isGone, isAway: failure !== undefined && !isGone }
}
