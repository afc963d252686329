/** Values and objects in words. */

import type { Json, JsonObject } from '../../api/agent-setup'
import { t } from '../../lib/i18n'
import { isList, isNothing, isObject } from './document'
import type { ColumnField, Options } from './fields'
import { sectionOf } from './sections'

/** What is empty. */
export const NOTHING = '–'

/** A value as people read it; of several names, their words. */
export function wordsOfValue(value: Json | undefined, options?: Options): string {
  if (value === undefined || value === null || value === '') return NOTHING
  if (typeof value === 'boolean') return value ? t('setup.yes') : t('setup.no')
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string') return nameIn(options, value)
  if (isList(value)) return value.length === 0 ? NOTHING : value.map((one) => (isObject(one) ? wordsOfRow(one) : wordsOfValue(one, options))).join(', ')
  return isObject(value) ? wordsOfRow(value) : ''
}

/** Rows with the words of their columns: `Sales 5`, or with the names of the columns where any of them may be empty, so that it is told which. */
export function wordsOfRows(rows: readonly JsonObject[], columns: readonly ColumnField[]): string {
  const isShort = columns.every(({ kind }) => kind !== 'text' && kind !== 'many')
  const cell = (column: ColumnField, row: JsonObject): string => wordsOfValue(row[column.name], column.kind === 'choice' || column.kind === 'many' ? column.options : undefined)
  const unnamed = (row: JsonObject): readonly string[] => Object.keys(row).filter((name) => !isNothing(row[name]) && columns.every((column) => column.name !== name))
  const words = (row: JsonObject): string => {
    const named = columns.map((column) => (isShort ? cell(column, row) : `${t(column.label)}: ${cell(column, row)}`)).join(isShort ? ' ' : ', ')
    return [named, ...unnamed(row).map((name) => `${name}: ${wordsOfValue(row[name])}`)].join(', ')
  }
  return rows.length === 0 ? NOTHING : rows.map(words).join(isShort ? ', ' : '; ')
}

/** `Sales 5`; the values of a row, without those that say nothing. */
function wordsOfRow(row: JsonObject): string {
  return Object.values(row).filter((value) => value !== null && value !== undefined && value !== '').map((value) => wordsOfValue(value)).join(' ') || NOTHING
}

function nameIn(options: Options | undefined, value: string): string {
  const found = options?.find(([name]) => name === value)
  return found === undefined ? value : t(found[1])
}

/** `Person ada.adler`. */
export function nameOfObject(kind: string, id: string): string {
  const section = sectionOf(kind)
  const what = section === undefined ? kind.replaceAll('_', ' ') : t(section.one)
  return id === '' || id === '-' ? what : `${what} ${id}`
}
