import { useState } from 'react'
import { useQuery } from '@tanstack/react-query'
import { isCallable, LIMIT, SEARCHED_TYPES, searchTargets, type Target } from '../../api/workspace-targets'
import { useSettled } from '../../ui/use-settled'
import { firstMarked, keyOf, meant, moved, placeOf, termOf } from './destination'

/** What is typed where a call can go, and who is found by it. */
export type Destination = {
  readonly typed: string
  readonly chosen: Target | undefined
  readonly found: readonly Target[]
  readonly marked: number
  readonly isLooking: boolean
  readonly type: (typed: string) => void
  readonly choose: (target: Target) => void
  readonly move: (step: 1 | -1) => void
  /** The number; empty where nobody is meant yet. */
  readonly number: () => string
}

const TYPING_MS = 200
/** Who is ready now is not so for long. */
const AGAIN_MS = 5_000
const FOUND_MAX = 8

/** Who is found by a name or a number. */
type FoundByTerm = {
  readonly targets: readonly Target[]
  /** How many there are beyond them. */
  readonly further: number
  readonly isLooking: boolean
  readonly hasFailed: boolean
  /** Whether they come from a directory that may be a minute old. */
  readonly isBehind: boolean
}

/** Targets by name or number, as they are now; none for an empty term. */
export function useTargets(term: string, limit = LIMIT): FoundByTerm {
  const settled = useSettled(term, TYPING_MS)
  const { data, isFetching } = useQuery({
    queryKey: ['desktop', 'targets', settled, limit],
    queryFn: () => searchTargets(settled, SEARCHED_TYPES, limit),
    // While more are read, those before stay.
    placeholderData: (before, query) => (query?.queryKey[2] === settled ? before : undefined),
    enabled: settled !== '',
    refetchInterval: AGAIN_MS,
    refetchOnWindowFocus: false,
  })
  const isSettled = settled === term
  const found = isSettled && term !== '' && data?.kind === 'ok' ? data.value : undefined
  const targets = found?.targets ?? []
  return { targets, further: (found?.total ?? 0) - targets.length, isBehind: found?.isBehind === true, isLooking: term !== '' && (!isSettled || (data === undefined && isFetching)), hasFailed: isSettled && term !== '' && data?.kind === 'failed' }
}

export function useDestination(): Destination {
  const [typed, setTyped] = useState('')
  const [chosen, setChosen] = useState<Target>()
  const [mark, setMark] = useState<string>()
  const { targets, isLooking } = useTargets(chosen === undefined ? termOf(typed) : '')
  // Those who cannot be called are no place for a call.
  const found = targets.filter(isCallable).slice(0, FOUND_MAX)
  // The first one, where it is marked without a key, is the one that was seen first.
  const first = found[firstMarked(typed, found)]
  if (mark === undefined && first !== undefined) setMark(keyOf(first))
  const marked = mark === undefined ? firstMarked(typed, found) : placeOf(mark, found)
  const isGone = mark !== undefined && mark !== '' && marked < 0
  return {
    typed,
    chosen,
    found,
    marked,
    isLooking,
    type: (text) => {
      setTyped(text)
      setChosen(undefined)
      setMark(undefined)
    },
    choose: (target) => {
      setTyped(target.name)
      setChosen(target)
      setMark(undefined)
    },
    move: (step) => {
      const next = found[moved(marked, step, found.length)]
      setMark(next === undefined ? '' : keyOf(next))
    },
    number: () => meant({ typed, chosen, found, marked, isGone, isLooking }),
  }
}
