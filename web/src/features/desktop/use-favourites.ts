import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { deleteFavourite, readFavourites, readRecents, readTarget, saveFavourite, seeMissedCalls, type RecentTarget, type Target } from '../../api/workspace-targets'
import { t } from '../../lib/i18n'
import { say } from '../../ui/toast'
import { wordsOf } from './words'

/** Under it they stand in the list that other programs keep by categories. */
const CATEGORY = 'Trunkline'
const FAVOURITES = ['desktop', 'favourites']
const RECENTS = ['desktop', 'recents']
const KEPT_MS = 60_000
/** Whether those can talk who are looked at. */
const SHOWN_MS = 30_000
/** Those whom the directory knows; it says nothing of other numbers. */
const KNOWN: readonly Target['type'][] = ['agent', 'agent-group', 'acd-queue', 'route-point']

export const isSame = (one: Target, other: Target): boolean => one.type === other.type && one.id === other.id

export type Favourites = {
  readonly favourites: readonly Target[]
  /** Whether they were read, or cannot be. */
  readonly isKnown: boolean
  readonly hasFailed: boolean
  /** Makes it one, or no longer. */
  readonly toggle: (target: Target) => Promise<void>
  /** What has become of somebody becomes of the favourite, too, if it is one. */
  readonly follow: (target: Target, what: 'changed' | 'gone') => Promise<void>
}

export function useFavourites(): Favourites {
  const client = useQueryClient()
  const { data } = useQuery({ queryKey: FAVOURITES, queryFn: readFavourites, staleTime: KEPT_MS, refetchOnWindowFocus: false })
  const favourites = data?.kind === 'ok' ? data.value : []
  return {
    favourites,
    isKnown: data !== undefined,
    hasFailed: data?.kind === 'failed',
    toggle: async (target) => {
      const is = favourites.find((one) => isSame(one, target))
      const answer = await (is === undefined ? saveFavourite(target, CATEGORY) : deleteFavourite(is))
      if (answer.kind === 'failed') say(t('work.favourite.failed', { why: wordsOf(answer.failure).what }), 'bad')
      await client.invalidateQueries({ queryKey: FAVOURITES })
    },
    follow: async (target, what) => {
      const is = favourites.find((one) => isSame(one, target))
      if (is === undefined) return
      await (what === 'gone' ? deleteFavourite(is) : saveFavourite(target, CATEGORY))
      await client.invalidateQueries({ queryKey: FAVOURITES })
    },
  }
}

/** What is kept of somebody, with what they do now: lists do not say that. */
export function usePresent(kept: Target, isAsked: boolean): Target {
  const isUnknown = kept.availability.kind === 'unknown' && KNOWN.includes(kept.type)
  const { data } = useQuery({ queryKey: ['desktop', 'target', kept.type, kept.id], queryFn: () => readTarget(kept), enabled: isAsked && isUnknown, refetchInterval: SHOWN_MS, refetchOnWindowFocus: false })
  const now = data?.kind === 'ok' ? data.value : undefined
  return isUnknown && now !== undefined ? { ...now, id: kept.id } : kept
}

export type Recents = { readonly recents: readonly RecentTarget[]; readonly missed: number; readonly hasFailed: boolean; readonly see: () => Promise<void> }

/** Whom the agent has talked with, newest first. They are read anew when `calls` changes. */
export function useRecents(calls: string): Recents {
  const client = useQueryClient()
  const { data } = useQuery({ queryKey: RECENTS, queryFn: readRecents, refetchInterval: KEPT_MS, refetchOnWindowFocus: false })
  useEffect(() => void client.invalidateQueries({ queryKey: RECENTS }), [client, calls])
  const recents = data?.kind === 'ok' ? data.value : []
  return {
    recents,
    missed: recents.filter(({ isMissed }) => isMissed).length,
    hasFailed: data?.kind === 'failed',
    see: async () => {
      const answer = await seeMissedCalls()
      if (answer.kind === 'failed') say(t('work.recents.failed', { why: wordsOf(answer.failure).what }), 'bad')
      await client.invalidateQueries({ queryKey: RECENTS })
    },
  }
}
