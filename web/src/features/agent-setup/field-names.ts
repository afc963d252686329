/** Fields of documents in words. */

import { t } from '../../lib/i18n'
import type { Field, Group, Options } from './fields'
import { formOfKind } from './forms'

/** The description of the field at a path, or of the one in which it stands. */
export function fieldAt(groups: readonly Group[], path: string): Field | undefined {
  const holds = (field: Field): boolean => path === field.path || path.startsWith(`${field.path}.`) || path.startsWith(`${field.path}[`)
  return groups.flatMap(({ fields }) => fields).filter(holds).sort((one, other) => other.path.length - one.path.length)[0]
}

/** What people call a field; its path where it has no name. */
export function nameOfField(kind: string, path: string): string {
  const field = fieldAt(formOfKind(kind), path)
  return field === undefined ? path : t(field.label)
}

export function optionsOfField(kind: string, path: string): Options | undefined {
  const field = fieldAt(formOfKind(kind), path)
  return field?.kind === 'choice' || field?.kind === 'many' ? field.options : undefined
}
