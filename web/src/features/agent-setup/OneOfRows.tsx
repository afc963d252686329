import type { ReactElement } from 'react'
import { t } from '../../lib/i18n'
import type { FieldAttributes } from '../../ui/Field'
import type { Field, Row } from './fields'

export type OneOfRowsProps = {
  readonly field: Extract<Field, { kind: 'one-of-rows' }>
  readonly rows: readonly Row[]
  readonly value: string
  readonly attributes: FieldAttributes
  readonly onChange: (value: string) => void
}

/** One of the values that rows of the same form have now. */
export function OneOfRows({ field, rows, value, attributes, onChange }: OneOfRowsProps): ReactElement {
  const there = rows.map((row) => [row[field.column]?.trim() ?? '', row[field.words]?.trim() ?? ''] as const).filter(([name]) => name !== '')
  // One that is not there any more is shown all the same: its fault says so.
  const names = new Map([...(value === '' ? [] : [[value, ''] as const]), ...there])
  return (
    <select {...attributes} value={value} onChange={(event) => onChange(event.target.value)}>
      <option value="">{t('setup.none')}</option>
      {[...names].map(([name, words]) => (
        <option key={name} value={name}>
          {words === '' || words === name ? name : `${words} (${name})`}
        </option>
      ))}
    </select>
  )
}
