/** What the pages ask for, kept under names that a change makes stale. */

import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { getHistory, getObject, getUses, listObjects, type HistoryEntry, type Kind, type Outcome, type Page, type Stored, type Use } from '../../api/agent-setup'
import type { Failure } from '../../api/errors'
import { useSettled } from '../../ui/use-settled'
import { PAGE, suggested } from './paging'
import { noteRefusal } from './refusal'
import { fieldsOf, sectionOf, type Section } from './sections'

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

function page(tenant: string, section: Section, filter: ListFilter, pageToken: string, pageSize: number, signal?: AbortSignal): Promise<Outcome<Page<Stored>>> {
  return listObjects(tenant, section.kind, { ...filter, types: section.types ?? [], fields: fieldsOf(section), pageToken, pageSize }, signal)
}

/** The largest page that there is. */
const PAGE_MOST = 500

/** Every object that fits a filter. */
export async function allObjects(tenant: string, section: Section, filter: ListFilter): Promise<Outcome<readonly Stored[]>> {
  const all: Stored[] = []
  let next = ''
  do {
    const answer = await page(tenant, section, filter, next, PAGE_MOST)
    if (answer.kind !== 'ok') return answer
    all.push(...answer.value.items)
    next = answer.value.next
  } while (next !== '')
  return { kind: 'ok', value: all }
}

export function useObjects(tenant: string, section: Section, filter: ListFilter) {
  return useInfiniteQuery({
    queryKey: ['agent-setup', tenant, 'list', section.path, filter],
    initialPageParam: '',
    queryFn: async ({ pageParam, signal }) => valueOf(await page(tenant, section, filter, pageParam, PAGE, signal)),
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
/** Whoever types goes on typing. */
const TYPING_MS = 200

async function namesLike(tenant: string, kind: Kind, typed: string, signal: AbortSignal): Promise<readonly string[]> {
  const fields = [sectionOf(kind)?.id ?? 'name']
  const ask = async (by: { readonly q?: string; readonly idPrefix?: string }): Promise<readonly string[]> =>
    valueOf(await listObjects(tenant, kind, { ...by, fields, pageSize: SUGGESTED }, signal)).items.map(({ id }) => id)
  const begins = await ask({ idPrefix: typed })
  const others = typed === '' || begins.length >= SUGGESTED ? [] : await ask({ q: typed })
  return suggested(typed, begins, others, SUGGESTED)
}

/** Names of objects like this, to be chosen from. */
export function useNames(tenant: string, kind: Kind, typed: string, isWanted: boolean): readonly string[] {
  const settled = useSettled(typed, TYPING_MS)
  const { data } = useQuery({
    queryKey: ['agent-setup', tenant, 'names', kind, settled],
    queryFn: ({ signal }) => namesLike(tenant, kind, settled, signal),
    enabled: isWanted,
    staleTime: 30_000,
    placeholderData: (before) => before,
    refetchOnWindowFocus: false,
  })
  return data ?? []
}
