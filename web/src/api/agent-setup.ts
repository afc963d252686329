/** The API of Agent Setup: objects of a tenant, to list, to read and to change; what was changed before; tables of people. */

import { setupPaths } from '../lib/paths'
import { tellReached, tellUnreachable } from '../lib/reached'
import { failureOf, type Failure } from './errors'
import { mayWrite, subjectHeader } from './subject'
import { changed, conflictIn, faultsIn, historyPage, imported, objectPage, stored, uses, type Read } from './agent-setup-answers'
import type { components } from './generated/agent-setup'

type Schemas = components['schemas']

export const KINDS = [
  'tenant',
  'skill',
  'prompt',
  'application',
  'dn',
  'place',
  'person',
  'number',
  'trunk',
  'feature_code',
  'schedule',
  'dial_rule',
  'client',
  'agent_group',
  'action_code',
  'list',
  'business_attribute',
  'place_group',
  'capacity_rule',
  'dn_group',
  'trunk_group',
  'calling_list',
  'campaign',
  'campaign_group',
  'ivr_profile',
  'statistic_definition',
  'transaction',
  'switch',
  'agent_login',
  'access_group',
  'role',
  'folder',
] as const
export type Kind = (typeof KINDS)[number]

/** A document of the configuration. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject
export type JsonObject = { readonly [name: string]: Json | undefined }

export type Stored = { readonly id: string; readonly revision: number; readonly object: JsonObject }
/** `next` is empty on the last page. */
export type Page<T> = { readonly items: readonly T[]; readonly next: string }

export type Edit = {
  readonly kind: Kind
  readonly id: string
  readonly action: 'put' | 'merge' | 'delete'
  /** 0: it must not exist. */
  readonly expected_revision?: number
  readonly object?: JsonObject
  /** Which fields of the object count; the others stay as they are. */
  readonly fields?: readonly string[]
}

/** As the document of the API has it; what the server fills in may be left out. */
type EditSent = Pick<Schemas['EditWanted'], 'kind' | 'id' | 'action'> & Partial<Schemas['EditWanted']>
type ChangesSent = Omit<Schemas['ChangesWanted'], 'edits'> & { readonly edits: readonly EditSent[] }

/** Documents that are too large to be shown are both null. */
export type Change = { readonly kind: string; readonly id: string; readonly before: JsonObject | null; readonly after: JsonObject | null }
/** `revision` of the object; 0 if it is gone. Objects that are as they were are left out. */
export type Changed = { readonly revision: number; readonly changes: readonly (Change & { readonly revision: number })[] }
export type Fault = Schemas['ShownFault']
/** `more` faults are left out. */
export type Faults = { readonly faults: readonly Fault[]; readonly more: number }
export type Conflict = { readonly kind: string; readonly id: string; readonly revision: number }
export type Use = Schemas['ShownUse']
/** By which way somebody has changed something. */
export type Way = Schemas['ShownWay']
export type HistoryEntry = Change & {
  readonly number: number
  readonly revision: number
  /** Milliseconds since 1970. */
  readonly at: number
  readonly by: string
  readonly way: Way
  /** The address that it came from; empty if it is not known. */
  readonly source: string
  readonly secretsChanged: boolean
}
export type LineFault = Schemas['ShownTableFault']
/** `changes` are the first of `changed`; `more_faults` are left out; `checked` names what was looked at. */
export type Imported = { readonly rows: number; readonly changed: number; readonly faults: readonly LineFault[]; readonly more_faults?: number; readonly changes: readonly Change[]; readonly checked: string }

/** What an answer says: the value, what is wrong with what was sent, that somebody else was faster, or why there is none. */
export type Outcome<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'faults'; readonly faults: readonly Fault[]; readonly more?: number }
  | { readonly kind: 'conflict'; readonly conflict: Conflict }
  | { readonly kind: 'failed'; readonly failure: Failure }

export type ListQuery = {
  readonly q?: string
  readonly idPrefix?: string
  readonly types?: readonly string[]
  readonly skill?: string
  readonly disabled?: string
  /** What of the documents is asked for. */
  readonly fields: readonly string[]
  readonly pageToken?: string
  readonly pageSize: number
}

export function listObjects(tenant: string, kind: Kind, { q = '', idPrefix = '', types = [], skill = '', disabled = '', fields, pageToken = '', pageSize }: ListQuery, signal?: AbortSignal): Promise<Outcome<Page<Stored>>> {
  const asked = { q, id_prefix: idPrefix, type: types.join(), skill, disabled, fields: fields.join(), page_size: String(pageSize), page_token: pageToken }
  return ask(setupPaths.objects(tenant, kind, asked), objectPage, { signal })
}

export function getObject(tenant: string, kind: string, id: string, signal?: AbortSignal): Promise<Outcome<Stored>> {
  return ask(setupPaths.object(tenant, kind, id), stored, { signal })
}

/** Changes objects, all or none; a dry run changes nothing and answers the same. */
export function changeObjects(tenant: string, requestId: string, isDry: boolean, edits: readonly Edit[]): Promise<Outcome<Changed>> {
  const body = { request_id: requestId, dry_run: isDry, edits } satisfies ChangesSent
  return ask(setupPaths.changes(tenant), changed, { body })
}

/** Changes at a time: each brings two documents. */
const HISTORY_PAGE = 20

export function getHistory(tenant: string, kind: string, id: string, pageToken: string, signal?: AbortSignal): Promise<Outcome<Page<HistoryEntry>>> {
  return ask(setupPaths.history(tenant, { kind, id, page_size: String(HISTORY_PAGE), page_token: pageToken }), historyPage, { signal })
}

/** Puts it back as it was at a revision, if it is still at the one that is expected. */
export function restoreObject(tenant: string, requestId: string, kind: string, id: string, revision: number, expected: number): Promise<Outcome<Changed>> {
  const body = { kind, id, revision, expected_revision: expected, request_id: requestId } satisfies Schemas['RestoreWanted']
  return ask(setupPaths.restore(tenant), changed, { body })
}

export function getUses(tenant: string, kind: string, id: string, signal?: AbortSignal): Promise<Outcome<readonly Use[]>> {
  return ask(setupPaths.uses(tenant, kind, id), uses, { signal })
}

/** Checks the people of a table. The bytes go as they are: the server says where they are no text. */
export function checkPeople(tenant: string, table: Blob): Promise<Outcome<Imported>> {
  return ask(setupPaths.peopleImport(tenant, true, '', ''), imported, { table })
}

/** Takes them, all or none, if they are as they were when that was `checked`. */
export function importPeople(tenant: string, requestId: string, checked: string, table: Blob): Promise<Outcome<Imported>> {
  return ask(setupPaths.peopleImport(tenant, false, requestId, checked), imported, { table })
}

const DEADLINE_MS = 30_000
/** A table may take two minutes at the server, and one more on its way there. */
const TABLE_DEADLINE_MS = 200_000

type Asked = { readonly signal?: AbortSignal | undefined; readonly body?: unknown; readonly table?: Blob; /** Of what is sent as a file. */ readonly mediaType?: string; /** What the path names is to go. */ readonly isRemoval?: boolean }

/** Asks the API; what it answers is read by `read`. */
export async function ask<T>(path: string, read: Read<T>, { signal, body, table, mediaType = 'text/csv', isRemoval = false }: Asked): Promise<Outcome<T>> {
  const deadline = AbortSignal.timeout(table === undefined ? DEADLINE_MS : TABLE_DEADLINE_MS)
  const sent = table ?? (body === undefined ? undefined : JSON.stringify(body))
  const type: Readonly<Record<string, string>> = sent === undefined ? {} : { 'Content-Type': table === undefined ? 'application/json' : mediaType }
  const isWrite = sent !== undefined || isRemoval
  if (isWrite && !mayWrite()) return { kind: 'failed', failure: { kind: 'refused-token', detail: '' } }
  let response: Response
  try {
    response = await fetch(path, {
      method: isRemoval ? 'DELETE' : isWrite ? 'POST' : 'GET',
      headers: { ...type, ...subjectHeader(), Accept: 'application/json' },
      cache: 'no-store',
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
      ...(sent === undefined ? {} : { body: sent }),
    })
  } catch (error) {
    // Whoever goes to another page ends what the page has asked; that says nothing of the server.
    if (signal?.aborted !== true) tellUnreachable()
    return { kind: 'failed', failure: { kind: 'unreachable', detail: String(error) } }
  }
  tellReached()
  return outcomeOf(response, read, isWrite)
}

async function outcomeOf<T>(response: Response, read: Read<T>, isWrite: boolean): Promise<Outcome<T>> {
  const copy = response.clone()
  const value: unknown = await response.json().catch(() => undefined)
  if (response.ok) {
    const found = read(value)
    return found === undefined ? { kind: 'failed', failure: { kind: 'not-understood', detail: new URL(response.url).pathname } } : { kind: 'ok', value: found }
  }
  const refused = faultsIn(value)
  // A missing right is a fault of what was sent if something was, and if it is about an object of that.
  const isOfCaller = response.status === 403 && (!isWrite || refused?.faults.every(({ kind }) => kind === '') === true)
  if (refused !== undefined && !isOfCaller) return { kind: 'faults', ...refused }
  const conflict = response.status === 409 ? conflictIn(value) : undefined
  if (conflict !== undefined) return { kind: 'conflict', conflict }
  return { kind: 'failed', failure: await failureOf(copy) }
}
