/** What is wrong with a form: found here before anything is sent, or by the server; each at its field. */

import type { Fault } from '../../api/agent-setup'
import { t } from '../../lib/i18n'
import { nameOfField } from './field-names'
import { filledSections, isFilled, wholeOf } from './form'
import { namesIn, rowsIn, sectionsIn, shownFields, textIn, textsIn, type ColumnField, type Draft, type Field, type Group, type Row, type SectionDraft } from './fields'
import { hasPrivateKey, keySetOf } from './key-set'
import { wordsOfRule } from './rules'
import { nameOfObject } from './words'

/** What is wrong by the path of the field; empty for the object as a whole. Of rows also by the cell, counted as the form shows them:
 *  `agent.skills[2].level`. */
export type FieldFaults = Readonly<Record<string, readonly string[]>>

type Rows = Extract<Field, { kind: 'rows' }>

export function isEmpty(faults: FieldFaults): boolean {
  return Object.keys(faults).length === 0
}

/** What can be said without the server. */
export function ownFaults(groups: readonly Group[], draft: Draft, isNew: boolean): FieldFaults {
  return Object.fromEntries(
    shownFields(groups, draft).flatMap((field) => {
      if (field.kind === 'rows') return faultsInRows(field, rowsIn(draft, field.path))
      const found = faultOf(field, draft, isNew)
      return found === undefined ? [] : [[field.path, [found]]]
    }),
  )
}

/** The cells of a field's rows that are faulty, as `[2].level`, the first row first. */
export function faultyCells(faults: FieldFaults, path: string): readonly string[] {
  const cells = Object.keys(faults).filter((place) => place.startsWith(`${path}[`)).map((place) => place.slice(path.length))
  return cells.sort((one, other) => Number.parseInt(one.slice(1), 10) - Number.parseInt(other.slice(1), 10))
}

function faultOf(field: Exclude<Field, Rows>, draft: Draft, isNew: boolean): string | undefined {
  const text = textIn(draft, field.path)
  switch (field.kind) {
    case 'whole':
      return wholeFault(text, field.min, field.max, field.required === true)
    case 'secret':
      if (text === '') return field.required === true && isNew ? t('setup.fault.needed') : undefined
      return text.length < (field.minLength ?? 0) ? t('setup.rule.tooShort', { least: field.minLength ?? 0 }) : undefined
    case 'one-of-rows':
      return text === '' || rowsIn(draft, field.rows).some((row) => row[field.column]?.trim() === text) ? undefined : t('setup.fault.noneOfThem')
    case 'sections':
      return sectionsFault(filledSections(sectionsIn(draft, field.path)))
    case 'names':
      return unknownFault(field, namesIn(draft, field.path))
    case 'references':
      return field.required === true && namesIn(draft, field.path).length === 0 ? t('setup.fault.needed') : undefined
    case 'many':
      return field.required === true && textsIn(draft, field.path).length === 0 ? t('setup.fault.needed') : undefined
    case 'keys':
      return text.trim() === '' ? undefined : keysFault(text)
    case 'flag':
      return undefined
    default:
      return field.required === true && text.trim() === '' ? t('setup.fault.needed') : undefined
  }
}

/** Which of the names there is not; upper and lower case count. */
function unknownFault({ options, required }: Extract<Field, { kind: 'names' }>, names: readonly string[]): string | undefined {
  if (names.length === 0) return required === true ? t('setup.fault.needed') : undefined
  const unknown = names.filter((name) => options.every(([known]) => known !== name))
  return unknown.length === 0 ? undefined : t('setup.fault.unknownNames', { names: unknown.join(', ') })
}

function keysFault(text: string): string | undefined {
  const set = keySetOf(text)
  if (set === undefined) return t('setup.fault.keys')
  return hasPrivateKey(set) ? t('setup.fault.privateKey') : undefined
}

/** The first fault of the rows, at the field and at its cell. */
function faultsInRows({ path, columns }: Rows, rows: readonly Row[]): readonly (readonly [string, readonly string[]])[] {
  for (const [index, row] of rows.entries()) {
    for (const column of isFilled(row) ? columns : []) {
      const found = cellFault(column, row[column.name] ?? '')
      if (found === undefined) continue
      const words = [`${t('setup.cell', { column: t(column.label), number: index + 1 })}: ${found}`]
      return [[path, words], [`${path}[${index}].${column.name}`, words]]
    }
  }
  return []
}

function cellFault(column: ColumnField, value: string): string | undefined {
  if (column.kind === 'whole') return wholeFault(value, column.min, column.max, column.isOptional !== true)
  const isNeeded = (column.kind === 'reference' && column.isOptional !== true) || (column.kind === 'text' && column.required === true)
  return isNeeded && value.trim() === '' ? t('setup.fault.needed') : undefined
}

function sectionsFault(sections: readonly SectionDraft[]): string | undefined {
  if (sections.some(({ name }) => name.trim() === '')) return t('setup.lookup.namelessSection')
  const twice = firstTwice(sections.map(({ name }) => name))
  if (twice !== undefined) return t('setup.rule.twice', { name: twice })
  for (const { name, entries } of sections) {
    const ofKeys = firstTwice(entries.map(({ key = '' }) => key))
    const empty = entries.find(({ key = '', value = '' }) => key.trim() === '' || value.trim() === '')
    if (empty !== undefined) return `${name}: ${empty['key']?.trim() === '' ? t('setup.lookup.namelessKey') : t('setup.lookup.emptyValue', { key: empty['key'] ?? '' })}`
    if (ofKeys !== undefined) return `${name}: ${t('setup.rule.twice', { name: ofKeys })}`
  }
  return undefined
}

/** The first name that stands there twice. */
function firstTwice(names: readonly string[]): string | undefined {
  const seen = new Set<string>()
  return names.map((name) => name.trim()).find((name) => seen.size === seen.add(name).size)
}

export function wholeFault(text: string, min: number, max: number, required: boolean): string | undefined {
  if (text.trim() === '') return required ? t('setup.fault.needed') : undefined
  const value = wholeOf(text)
  if (value === undefined) return t('setup.fault.digits', { min, max })
  return value >= min && value <= max ? undefined : t('setup.fault.whole', { min, max })
}

/** What the server says, at the fields that are shown; what is about none of them is about the object. */
export function serverFaults(groups: readonly Group[], draft: Draft, of: string, faults: readonly Fault[]): FieldFaults {
  const fields = shownFields(groups, draft)
  const paths = fields.map(({ path }) => path)
  const found: Record<string, readonly string[]> = {}
  for (const fault of faults) {
    const { kind, id, field } = fault
    const said = wordsOfRule(fault, kind)
    const isOther = id !== '' && id !== of
    const path = isOther ? '' : fieldOf(paths, field)
    const [described, rest] = [fields.find((one) => one.path === path), field.slice(path.length)]
    const place = placeIn(described, draft, rest)
    const rule = place === '' ? said : `${place}: ${said}`
    // A fault that has no place of its own says of what it is.
    const words = path !== '' || (field === '' && !isOther) ? rule : [...(isOther ? [nameOfObject(kind, id)] : []), ...(field === '' ? [] : [nameOfField(kind, field)]), rule].join(': ')
    for (const at of [path, ...cellsOf(described, draft, rest, fault.values).map((cell) => `${path}${cell}`)]) found[at] = [...(found[at] ?? []), words]
  }
  // What was left empty is as another field: a fault that stands there is not told twice.
  const isTold = (field: Field): boolean => field.kind === 'text' && field.orAs !== undefined && textIn(draft, field.path).trim() === '' && (found[field.path] ?? []).every((words) => found[field.orAs ?? '']?.includes(words) === true)
  const twice = fields.filter(isTold).map(({ path }) => path)
  return Object.fromEntries(Object.entries(found).filter(([path]) => !twice.includes(path)))
}

/** Where in a field something is wrong: `Level, row 3` for `[1].level`, if the second row is empty and was not sent. */
function placeIn(field: Field | undefined, draft: Draft, rest: string): string {
  if (field?.kind === 'keys') return rest.replace('.', '')
  // Of hundreds of values: which.
  if (field?.kind === 'sections') return rest.slice(1)
  if (field?.kind !== 'rows') return ''
  const [at, column] = cellIn(field, draft, rest)
  if (at === undefined) return ''
  return column === undefined ? t('setup.row', { number: at + 1 }) : t('setup.cell', { column: t(column.label), number: at + 1 })
}

/** The row of `[1].level` as the form shows it, from 0, and its column, where one is named. */
function cellIn(field: Rows, draft: Draft, rest: string): readonly [number | undefined, ColumnField | undefined] {
  const [, index, name] = /^\[([0-9]+)\](?:\.(.+))?$/.exec(rest) ?? []
  if (index === undefined) return [undefined, undefined]
  const filled = rowsIn(draft, field.path).flatMap((row, shown) => (isFilled(row) ? [shown] : []))
  return [filled[Number(index)] ?? Number(index), field.columns.find((one) => one.name === name)]
}

/** The cells that a fault of rows is about, as `[2].level`: of a row as a whole all of them, else those with the name that the fault says. */
function cellsOf(field: Field | undefined, draft: Draft, rest: string, values: Fault['values']): readonly string[] {
  if (field?.kind !== 'rows') return []
  const [at, column] = cellIn(field, draft, rest)
  if (at !== undefined) return (column === undefined ? field.columns : [column]).map(({ name }) => `[${at}].${name}`)
  const names = [rest.slice(1), values['id'], values['name']].filter((name) => name !== undefined && name !== '')
  const named = field.columns.filter(({ kind }) => kind === 'reference' || kind === 'text')
  return rowsIn(draft, field.path).flatMap((row, index) => named.filter(({ name }) => names.includes(row[name]?.trim() ?? '')).map(({ name }) => `[${index}].${name}`))
}

/** `agent.skills` for `agent.skills[2].level` and for `agent.skills.Sales`; the longest of several. */
function fieldOf(paths: readonly string[], field: string): string {
  const holds = (path: string): boolean => field === path || field.startsWith(`${path}.`) || field.startsWith(`${path}[`)
  return paths.filter(holds).reduce((longest, path) => (path.length > longest.length ? path : longest), '')
}
