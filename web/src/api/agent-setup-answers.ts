/** Reads what the API of Agent Setup answers, as its document says: what is not so is undefined. */

import type { Change, Changed, Conflict, Faults, HistoryEntry, Imported, JsonObject, Page, Stored, Use } from './agent-setup'
import type { components } from './generated/agent-setup'
import { isChangesDone, isHistoryShown, isObjectPage, isProblem, isShownObject, isTableTaken, isUsesShown } from './generated/agent-setup-checks'

type Schemas = components['schemas']

export type Read<T> = (value: unknown) => T | undefined

/** What was parsed is JSON. */
type Document = { readonly [name: string]: unknown }
const json = (value: Document): JsonObject => value as JsonObject
const jsonOrNull = (value: Document | null): JsonObject | null => (value === null ? null : json(value))

const storedOf = ({ id, revision, object }: Schemas['ShownObject']): Stored => ({ id, revision, object: json(object) })

const changeOf = <T extends Omit<Change, 'before' | 'after'>>({ before, after, ...change }: T & { readonly before: Document | null; readonly after: Document | null }) => ({
  ...change,
  before: jsonOrNull(before),
  after: jsonOrNull(after),
})

const entryOf = ({ kind, id, before, after, number, revision, by, way, source, at, secrets_changed }: Schemas['ShownHistory']): HistoryEntry => ({
  ...changeOf({ kind, id, before, after }),
  number,
  revision,
  by,
  way,
  source,
  at: Date.parse(at),
  secretsChanged: secrets_changed,
})

export const stored: Read<Stored> = (value) => (isShownObject(value) ? storedOf(value) : undefined)

export const objectPage: Read<Page<Stored>> = (value) => (isObjectPage(value) ? { items: value.items.map(storedOf), next: value.next_page_token } : undefined)

export const changed: Read<Changed> = (value) => (isChangesDone(value) ? { revision: value.revision, changes: value.changes.map(changeOf) } : undefined)

export const historyPage: Read<Page<HistoryEntry>> = (value) => {
  if (!isHistoryShown(value)) return undefined
  const items = value.items.map(entryOf)
  return items.some(({ at }) => Number.isNaN(at)) ? undefined : { items, next: value.next_page_token }
}

export const uses: Read<readonly Use[]> = (value) => (isUsesShown(value) ? value.items : undefined)

export const imported: Read<Imported> = (value) => (isTableTaken(value) ? { ...value, changes: value.changes.map(changeOf) } : undefined)

/** The faults that a problem names, and how many more there are; undefined if it names none. */
export function faultsIn(value: unknown): Faults | undefined {
  if (!isProblem(value) || value.faults === undefined || value.faults.length === 0) return undefined
  return { faults: value.faults, more: value.more ?? 0 }
}

/** The object at which somebody else was faster. */
export function conflictIn(value: unknown): Conflict | undefined {
  if (!isProblem(value) || value.kind === undefined || value.id === undefined) return undefined
  return { kind: value.kind, id: value.id, revision: value.revision ?? 0 }
}
