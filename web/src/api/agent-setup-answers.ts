/** Reads what the API of Agent Setup answers: what is not as it should be is undefined. */

import type { Change, Changed, Conflict, Fault, HistoryEntry, Imported, Json, JsonObject, LineFault, Page, Stored, Use } from './agent-setup'

export type Read<T> = (value: unknown) => T | undefined

type Fields = Readonly<Record<string, unknown>>

export function object(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined
}

export function array<T>(value: unknown, read: Read<T>): readonly T[] | undefined {
  if (!Array.isArray(value)) return undefined
  const found = value.map(read)
  return found.every((one) => one !== undefined) ? found : undefined
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
const whole = (value: unknown): number | undefined => (typeof value === 'number' && Number.isFinite(value) ? value : undefined)

/** JSON that was parsed is JSON. */
const json = (value: unknown): JsonObject | undefined => object(value) as { readonly [name: string]: Json } | undefined
const jsonOrNull = (value: unknown): JsonObject | null => json(value) ?? null

export const stored: Read<Stored> = (value) => {
  const of = object(value)
  const [id, revision, document] = [text(of?.['id']), whole(of?.['revision']), json(of?.['object'])]
  return id === undefined || revision === undefined || document === undefined ? undefined : { id, revision, object: document }
}

export function page<T>(read: Read<T>): Read<Page<T>> {
  return (value) => {
    const of = object(value)
    const items = array(of?.['items'], read)
    return items === undefined ? undefined : { items, next: text(of?.['next_page_token']) ?? '' }
  }
}

const change: Read<Change> = (value) => {
  const of = object(value)
  const [kind, id] = [text(of?.['kind']), text(of?.['id'])]
  return kind === undefined || id === undefined ? undefined : { kind, id, before: jsonOrNull(of?.['before']), after: jsonOrNull(of?.['after']) }
}

export const changed: Read<Changed> = (value) => {
  const of = object(value)
  const revision = whole(of?.['revision'])
  const revised: Read<Change & { readonly revision: number }> = (one) => {
    const found = change(one)
    return found === undefined ? undefined : { ...found, revision: whole(object(one)?.['revision']) ?? revision ?? 0 }
  }
  const changes = array(of?.['changes'], revised)
  return revision === undefined || changes === undefined ? undefined : { revision, changes }
}

export const historyEntry: Read<HistoryEntry> = (value) => {
  const of = object(value)
  const [of_change, revision, by, at] = [change(value), whole(of?.['revision']), text(of?.['by']), moment(of?.['at'])]
  if (of_change === undefined || revision === undefined || by === undefined || at === undefined) return undefined
  return { ...of_change, revision, by, at, number: whole(of?.['number']) ?? revision, way: text(of?.['way']) ?? '', secretsChanged: of?.['secrets_changed'] === true }
}

/** Milliseconds since 1970, or RFC 3339. */
function moment(value: unknown): number | undefined {
  const at = typeof value === 'string' ? Date.parse(value) : whole(value)
  return at === undefined || Number.isNaN(at) ? undefined : at
}

export const used: Read<Use> = (value) => {
  const of = object(value)
  const [kind, id] = [text(of?.['kind']), text(of?.['id'])]
  return kind === undefined || id === undefined ? undefined : { kind, id, field: text(of?.['field']) ?? '' }
}

const lineFault: Read<LineFault> = (value) => {
  const of = object(value)
  const [line, rule] = [whole(of?.['line']), text(of?.['rule'])]
  return line === undefined || rule === undefined ? undefined : { line, rule, column: text(of?.['column']) ?? '' }
}

export const imported: Read<Imported> = (value) => {
  const of = object(value)
  const [rows, count, faults] = [whole(of?.['rows']), whole(of?.['changed']), array(of?.['faults'] ?? [], lineFault)]
  return rows === undefined || count === undefined || faults === undefined ? undefined : { rows, changed: count, faults }
}

const fault: Read<Fault> = (value) => {
  const of = object(value)
  const rule = text(of?.['rule'])
  return rule === undefined ? undefined : { rule, kind: text(of?.['kind']) ?? '', id: text(of?.['id']) ?? '', field: text(of?.['field']) ?? '' }
}

/** The faults that a problem document names. */
export function faultsIn(value: unknown): readonly Fault[] {
  return array(object(value)?.['faults'], fault) ?? []
}

/** The object at which somebody else was faster. */
export function conflictIn(value: unknown): Conflict | undefined {
  const of = object(object(value)?.['conflict']) ?? object(value)
  const [kind, id] = [text(of?.['kind']), text(of?.['id'])]
  return kind === undefined || id === undefined ? undefined : { kind, id, revision: whole(of?.['revision']) ?? 0 }
}
