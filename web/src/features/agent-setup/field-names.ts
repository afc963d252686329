/** Fields of documents in words. */

import type { Change, Json } from '../../api/agent-setup'
import { t } from '../../lib/i18n'
import { differences, isList, isObject, type Difference } from './document'
import type { Field, Group, Options } from './fields'
import { formOfKind } from './forms'
import { NOTHING, wordsOfRows, wordsOfValue } from './words'

/** The description of the field at a path, or of the one in which it stands. */
export function fieldAt(groups: readonly Group[], path: string): Field | undefined {
  const holds = (field: Field): boolean => path === field.path || path.startsWith(`${field.path}.`) || path.startsWith(`${field.path}[`)
  return groups.flatMap(({ fields }) => fields).filter(holds).sort((one, other) => other.path.length - one.path.length)[0]
}

/** What people call a field; its path where it has no name. */
export function nameOfField(kind: string, path: string): string {
  const field = fieldAt(formOfKind(kind), path)
  if (field === undefined) return path
  // Which of its sections and keys.
  return field.kind === 'sections' && path !== field.path ? `${t(field.label)}: ${path.slice(field.path.length + 1)}` : t(field.label)
}

/** The value of a field in words. */
export function wordsOfField(kind: string, path: string, value: Json | undefined): string {
  const field = fieldAt(formOfKind(kind), path)
  if (field?.kind === 'rows' && field.path === path && isList(value)) return wordsOfRows(value.filter(isObject), field.columns)
  return wordsOfValue(value, optionsOfField(kind, path))
}

/** A difference in words; where they are the same for both, as it is stored, for it is one all the same. */
export function wordsOfDifference(kind: string, { path, before, after }: Difference): readonly [string, string] {
  const [was, is] = [wordsOfField(kind, path, before), wordsOfField(kind, path, after)]
  return was === is ? [JSON.stringify(before ?? null), JSON.stringify(after ?? null)] : [was, is]
}

/** What differs between before and after. Of what comes or goes, what says nothing is left out. */
export function shownDifferences({ kind, before, after }: Change): readonly Difference[] {
  const found = differences(before, after)
  return before !== null && after !== null ? found : found.filter((one) => wordsOfField(kind, one.path, before === null ? one.after : one.before) !== NOTHING)
}

export function optionsOfField(kind: string, path: string): Options | undefined {
  const field = fieldAt(formOfKind(kind), path)
  return field?.kind === 'choice' || field?.kind === 'many' ? field.options : undefined
}
