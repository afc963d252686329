/** From a document to what a form holds, and back. What nobody has touched stays as it was. */

import type { Json, JsonObject } from '../../api/agent-setup'
import { above, at, isList, isNothing, isObject, isSame, withAt } from './document'
import { flagIn, hiddenSince, isOn, isShown, namesIn, rowsIn, sectionsIn, switchOf, textIn, textsIn, typedOf, type ColumnField, type Draft, type DraftValue, type Field, type Group, type Row, type SectionDraft } from './fields'
import { keySetOf } from './key-set'

/** What a form holds for a document. */
export function toDraft(groups: readonly Group[], document: JsonObject): Draft {
  const switches = groups.flatMap(({ within }) => (within === undefined || within.by === 'content' ? [] : [[switchOf(within.path), isObject(at(document, within.path))] as const]))
  const fields = groups.flatMap((group) => group.fields)
  const typed = fields.filter(({ kind }) => kind === 'references' || kind === 'names').map(({ path }) => [typedOf(path), ''] as const)
  return Object.fromEntries([...switches, ...typed, ...fields.map((field) => [field.path, drafted(field, at(document, field.path))] as const)])
}

function drafted(field: Field, value: Json | undefined): DraftValue {
  switch (field.kind) {
    case 'secret':
      return ''
    case 'flag':
      return typeof value === 'boolean' ? value : (field.initial ?? false)
    case 'many':
    case 'names':
    case 'references':
      return listed(value)
    case 'lines':
      return listed(value).join('\n')
    case 'rows':
      return isList(value) ? value.filter(isObject).map((row) => rowOf(field.columns, row)) : []
    case 'keys':
      return isObject(value) ? JSON.stringify(value, null, 2) : ''
    case 'sections':
      return entriesOf(value).map(([name, values]) => ({ name, entries: entriesOf(values).map(([key, text]) => ({ key, value: String(text) })) }))
    case 'whole':
    case 'choice':
      return isNothing(value) ? (field.initial ?? '') : String(value)
    default:
      return isNothing(value) || typeof value === 'object' ? '' : String(value)
  }
}

function listed(value: Json | undefined): readonly string[] {
  return isList(value) ? value.filter((one) => typeof one === 'string') : []
}

/** Names with what stands there, without those where nothing does. */
function entriesOf(value: Json | undefined): readonly (readonly [string, Json | undefined])[] {
  return isObject(value) ? Object.entries(value).filter(([, one]) => !isNothing(one)) : []
}

function rowOf(columns: readonly ColumnField[], row: JsonObject): Row {
  return Object.fromEntries(columns.map(({ name }) => [name, isNothing(row[name]) ? '' : String(row[name])]))
}

/** The document that a form stands for; `base` is what it began with, null for a new one. What another field has hidden meanwhile goes. Needs
 *  a draft without faults. */
export function toObject(groups: readonly Group[], draft: Draft, base: JsonObject | null): JsonObject {
  const began = toDraft(groups, base ?? {})
  const filled = groups.filter((group) => isShown(group, draft)).reduce<JsonObject>((document, group) => {
    const { within } = group
    if (within !== undefined && (!isOn(group, draft) || (within.by === 'content' && group.fields.every(({ path }) => textIn(draft, path).trim() === '')))) {
      return isNothing(at(document, within.path)) ? document : withAt(document, within.path, null)
    }
    return group.fields.filter((field) => isShown(field, draft)).reduce((of, field) => withField(of, field, { draft, began, base }), document)
  }, base ?? {})
  return hiddenSince(groups, began, draft).reduce<JsonObject>((of, path) => (saysNothing(at(of, path)) ? of : withAt(of, path, null)), filled)
}

function saysNothing(value: Json | undefined): boolean {
  return isNothing(value) || (isList(value) && value.length === 0)
}

type Sides = { readonly draft: Draft; readonly began: Draft; readonly base: JsonObject | null }

function withField(document: JsonObject, field: Field, { draft, began, base }: Sides): JsonObject {
  const value = field.kind === 'references' || field.kind === 'names' ? namesIn(draft, field.path) : (draft[field.path] ?? '')
  if (field.kind === 'secret') return textIn(draft, field.path) === '' ? document : withAt(document, field.path, textIn(draft, field.path))
  const isThere = base !== null && isObject(at(base, above(field.path)))
  if (isThere && isSame(value as Json, began[field.path] as Json)) return document
  return withAt(document, field.path, field.kind === 'sections' ? sectionsOf(sectionsIn(draft, field.path), at(base ?? {}, field.path)) : written(field, draft))
}

function written(field: Exclude<Field, { kind: 'sections' }>, draft: Draft): Json {
  const { path } = field
  switch (field.kind) {
    case 'flag':
      return field.orNothing === true && flagIn(draft, path) === (field.initial ?? false) ? null : flagIn(draft, path)
    case 'keys':
      return keySetOf(textIn(draft, path)) ?? null
    case 'whole':
      return wholeOf(textIn(draft, path)) ?? null
    case 'many':
      return textsIn(draft, path)
    case 'names':
    case 'references':
      return namesIn(draft, path)
    case 'lines':
      return linesOf(textIn(draft, path))
    case 'rows':
      return filledRows(rowsIn(draft, path)).map((row) => Object.fromEntries(field.columns.map((column) => [column.name, cell(column, row[column.name] ?? '')])))
    case 'document':
      return textIn(draft, path) === '' ? null : textIn(draft, path)
    case 'text':
      if (field.isText === true) return textIn(draft, path).trim()
      return textIn(draft, path).trim() || (field.orAs === undefined ? null : textIn(draft, field.orAs).trim())
    default:
      return textIn(draft, path).trim() || null
  }
}

export function linesOf(text: string): readonly string[] {
  return text.split('\n').map((line) => line.trim()).filter((line) => line !== '')
}

/** The whole number that a text says in digits alone: `1.000` is a thousand to some and one to others, so that it is none. */
export function wholeOf(text: string): number | undefined {
  return /^-?[0-9]+$/.test(text.trim()) ? Number(text) : undefined
}

export function isFilled(row: Row): boolean {
  return Object.values(row).some((value) => value.trim() !== '')
}

/** A row that says nothing is none. */
export function filledRows(rows: readonly Row[]): readonly Row[] {
  return rows.filter(isFilled)
}

/** A section that says nothing is none. */
export function filledSections(sections: readonly SectionDraft[]): readonly SectionDraft[] {
  return sections.map(({ name, entries }) => ({ name, entries: filledRows(entries) })).filter(({ name, entries }) => name.trim() !== '' || entries.length > 0)
}

/** Values by section and key. What was there before is taken as it is, whatever is typed without the spaces around it. */
function sectionsOf(sections: readonly SectionDraft[], before: Json | undefined): Json {
  const kept = (of: Json | undefined, name: string): string => (isObject(of) && Object.hasOwn(of, name) ? name : name.trim())
  return Object.fromEntries(
    filledSections(sections).map(({ name: typed, entries }) => {
      const name = kept(before, typed)
      const held = isObject(before) && Object.hasOwn(before, name) ? before[name] : undefined
      const values = entries.map(({ key: typedKey = '', value = '' }) => {
        const key = kept(held, typedKey)
        return [key, isObject(held) && Object.hasOwn(held, key) && held[key] === value ? value : value.trim()] as const
      })
      return [name, Object.fromEntries(values)] as const
    }),
  )
}

/** Of several names, as a row holds them. */
export function namesOfCell(value: string): readonly string[] {
  return value.split(',').filter((one) => one !== '')
}

function cell(column: ColumnField, value: string): Json {
  if (column.kind === 'whole') return wholeOf(value) ?? null
  if (column.kind === 'choice' && column.isFlag === true) return value === 'true'
  if (column.kind === 'many') return namesOfCell(value)
  return value.trim() === '' ? null : value.trim()
}
