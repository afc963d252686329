/** What the pages ask for, kept under names that a change makes stale. */

import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { getHistory, getObject, getUses, listObjects, type HistoryEntry, type Kind, type Outcome, type Page, type Stored, type Use } from '../../api/agent-setup'
import type { Failure } from '../../api/errors'
import { isLoaded, load, type Loaded } from './paging'
import { noteRefusal } from './refusal'
import { belongs, type Section } from './sections'

export type ListFilter = { readonly q: string; readonly skill: string; readonly disabled: string }

/** A failure on its way through the query cache. */
class Refused extends Error {
  constructor(readonly failure: Failure) {
    super(failure.kind)
    noteRefusal(failure)
  }
}

/** Why a query has failed. */
export function failureIn(error: unknown): Failure | undefined {
  if (error === null || error === undefined) return undefined
  return error instanceof Refused ? error.failure : { kind: 'not-understood', detail: String(error) }
}

export function valueOf<T>(outcome: Outcome<T>): T {
  if (outcome.kind === 'ok') return outcome.value
  throw new Refused(outcome.kind === 'failed' ? outcome.failure : { kind: 'not-understood', detail: outcome.kind })
}

export function useObjects(tenant: string, section: Section, filter: ListFilter) {
  return useInfiniteQuery({
    queryKey: ['agent-setup', tenant, 'list', section.path, filter],
    initialPageParam: '',
    queryFn: async ({ pageParam, signal }): Promise<Loaded> => {
      const ask = (pageToken: string, pageSize: number): Promise<Outcome<Page<Stored>>> => listObjects(tenant, section.kind, { ...filter, pageToken, pageSize }, signal)
      const answer = await load(ask, pageParam, ({ object }) => belongs(section, object), section.types !== undefined)
      if (isLoaded(answer)) return answer
      throw new Refused(answer)
    },
    getNextPageParam: ({ next }) => (next === '' ? undefined : next),
    // What was shown stays until the next one is there.
    placeholderData: (before) => before,
    refetchOnWindowFocus: false,
  })
}

/** One object, as it was when the page was opened: what is being edited does not change under the hands. */
export function useStored(tenant: string, kind: Kind, id: string) {
  return useQuery({
    queryKey: ['agent-setup', tenant, 'object', kind, id],
    queryFn: async ({ signal }): Promise<Stored> => valueOf(await getObject(tenant, kind, id, signal)),
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
    gcTime: 0,
  })
}

export function useHistory(tenant: string, kind: string, id: string) {
  return useInfiniteQuery({
    queryKey: ['agent-setup', tenant, 'history', kind, id],
    initialPageParam: '',
    queryFn: async ({ pageParam, signal }): Promise<Page<HistoryEntry>> => valueOf(await getHistory(tenant, kind, id, pageParam, signal)),
    getNextPageParam: ({ next }) => (next === '' ? undefined : next),
    refetchOnWindowFocus: false,
  })
}

export function useUses(tenant: string, kind: string, id: string) {
  return useQuery({
    queryKey: ['agent-setup', tenant, 'uses', kind, id],
    queryFn: async ({ signal }): Promise<readonly Use[]> => valueOf(await getUses(tenant, kind, id, signal)),
    refetchOnWindowFocus: false,
  })
}

/** So many names are suggested while one is typed. */
const SUGGESTED = 20

/** Names of objects that begin like this, to be chosen from. */
export function useNames(tenant: string, kind: Kind, typed: string, isWanted: boolean): readonly string[] {
  const { data } = useQuery({
    queryKey: ['agent-setup', tenant, 'names', kind, typed],
    queryFn: async ({ signal }) => valueOf(await listObjects(tenant, kind, { q: typed, pageSize: SUGGESTED }, signal)).items.map(({ id }) => id),
    enabled: isWanted,
    staleTime: 30_000,
    placeholderData: (before) => before,
    refetchOnWindowFocus: false,
  })
  return data ?? []
}
