import { useEffect, useRef, useState } from 'react'
import { keyOf, peekStatistics, subscribeStatistics, unsubscribeStatistics, type ReportingSubscription, type Statistic } from '../../api/workspace-reporting'
import type { DeskAnswer } from '../../api/workspace'
import type { DeskProps } from './Desktop'

/** Whoever counts may be away for a while. */
const AGAIN_MS = 30_000

/** Has statistics open for as long as they are shown; their values stand in the state of the desk. Whether they are away. */
export function useNumbers({ desk, state }: DeskProps, statistics: readonly Statistic[]): boolean {
  const [isAway, setAway] = useState(false)
  const isHeard = state.phase.kind === 'working' && state.away === undefined
  const wanted = statistics.map(keyOf).join('\n')
  const latest = useRef(statistics)
  useEffect(() => {
    latest.current = statistics
  })
  // Over a loss of the network the subscription stays: it is looked at when the server is heard again.
  const open = useRef({ id: '', wanted: '' })
  useEffect(() => {
    if (!isHeard || wanted === '') return
    let isOver = false
    let timer: ReturnType<typeof setTimeout> | undefined
    const begin = async (): Promise<void> => {
      const answer = await opened(open.current, latest.current, wanted)
      if (isOver) return answer.kind === 'ok' && answer.value.id !== open.current.id ? void unsubscribeStatistics(answer.value.id) : undefined
      setAway(answer.kind === 'failed')
      if (answer.kind === 'failed') {
        timer = setTimeout(() => void begin(), AGAIN_MS)
        return
      }
      open.current = { id: answer.value.id, wanted }
      desk.take({ kind: 'message', message: { kind: 'numbers', values: answer.value.values } })
    }
    void begin()
    return () => {
      isOver = true
      clearTimeout(timer)
    }
  }, [desk, isHeard, wanted])
  useEffect(() => {
    const close = (): void => {
      // With the session its subscriptions are over, too.
      if (open.current.id !== '' && desk.state().phase.kind === 'working') void unsubscribeStatistics(open.current.id)
      open.current = { id: '', wanted: '' }
    }
    addEventListener('pagehide', close)
    return () => {
      removeEventListener('pagehide', close)
      close()
    }
  }, [desk])
  return isAway
}

/** The subscription that there is, if it is for the same ones and the server knows it still; else a new one. */
async function opened(before: { readonly id: string; readonly wanted: string }, statistics: readonly Statistic[], wanted: string): Promise<DeskAnswer<ReportingSubscription>> {
  if (before.id === '') return subscribeStatistics(statistics)
  if (before.wanted !== wanted) void unsubscribeStatistics(before.id)
  else {
    const answer = await peekStatistics(before.id)
    if (answer.kind === 'ok') return { kind: 'ok', value: { ...answer.value, id: before.id } }
    // It may be there still, and only not be read just now: a session may have few of them.
    void unsubscribeStatistics(before.id)
  }
  return subscribeStatistics(statistics)
}
