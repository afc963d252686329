import { useRef, useState, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { FaultsOf } from '../../ui/Field'
import { describedBy, HintOf } from './Hint'
import type { ColumnField, Field, Row } from './fields'
import { namesOfCell } from './form'
import { focusNeighbour } from './neighbour'
import { movedTo } from './order'
import { ReferenceInput } from './ReferenceInput'
import arrows from './DialRules.module.css'
import styles from './Form.module.css'

export type RowsInputProps = {
  readonly id: string
  readonly tenant: string
  readonly field: Extract<Field, { kind: 'rows' }>
  readonly rows: readonly Row[]
  /** Said of the table in the place of the field's label. */
  readonly legend?: string
  readonly faults: readonly string[]
  /** The cells at fault, as `[2].level`. */
  readonly faulty?: readonly string[]
  readonly onChange: (value: readonly Row[]) => void
}

const NONE: readonly string[] = []

/** The attributes by which a cell is found, and told to be faulty. */
function marked(id: string, place: string, faulty: readonly string[]): CellMarks {
  const own = { id: `${id}${place.replace('.', '-')}` }
  return faulty.includes(place) ? { ...own, 'aria-invalid': true, 'aria-describedby': `${id}-fault` } : own
}

/** A table that grows: skills with their levels, rules. */
export function RowsInput({ id, tenant, field, rows, legend = t(field.label), faults, faulty = NONE, onChange }: RowsInputProps): ReactElement {
  const table = useRef<HTMLFieldSetElement>(null)
  const [told, setTold] = useState('')
  const add = (): void => {
    onChange([...rows, Object.fromEntries(field.columns.map((column) => [column.name, initial(column)]))])
    // Whoever adds a row fills it in.
    requestAnimationFrame(() => [...(table.current?.querySelectorAll('[data-row]') ?? [])].at(-1)?.querySelector<HTMLElement>(':is(input, select)')?.focus())
  }
  const remove = (at: number): void => {
    onChange(rows.filter((_, other) => other !== at))
    focusNeighbour(table.current, at, id)
  }
  const move = (from: number, by: -1 | 1): void => {
    const to = from + by
    if (to < 0 || to >= rows.length) return
    onChange(movedTo(rows, from, to))
    setTold(t('setup.dialRules.moved', { name: nameOf(field.columns, rows[from] ?? {}, from), place: to + 1, count: rows.length }))
    // Whoever moves a row goes on moving it.
    requestAnimationFrame(() => [...(table.current?.querySelectorAll('[data-row]') ?? [])][to]?.querySelector<HTMLElement>(by < 0 ? '[data-up]' : '[data-down]')?.focus())
  }
  const change = (at: number, name: string, value: string): void => onChange(rows.map((row, index) => (index === at ? { ...row, [name]: value } : row)))
  return (
    <fieldset ref={table} className={styles['many']} aria-describedby={describedBy(id, field.hint, faults)}>
      <legend>{legend}</legend>
      {rows.map((row, index) => (
        <div key={index} data-row data-one className={styles['row']}>
          {field.columns.map((column) => (
            <Cell key={column.name} tenant={tenant} column={column} value={row[column.name] ?? ''} number={index + 1} marks={marked(id, `[${index}].${column.name}`, faulty)} onChange={(value) => change(index, column.name, value)} />
          ))}
          {field.isOrdered === true ? (
            <>
              <button type="button" data-up className={arrows['arrow']} aria-disabled={index === 0} aria-label={t('setup.dialRules.up', { name: nameOf(field.columns, row, index) })} onClick={() => move(index, -1)}>
                ↑
              </button>
              <button type="button" data-down className={arrows['arrow']} aria-disabled={index === rows.length - 1} aria-label={t('setup.dialRules.down', { name: nameOf(field.columns, row, index) })} onClick={() => move(index, 1)}>
                ↓
              </button>
            </>
          ) : null}
          <Button label={t('setup.removeOne', { name: nameOf(field.columns, row, index) })} onClick={() => remove(index)}>
            ×
          </Button>
        </div>
      ))}
      <div>
        <button id={id} type="button" className={styles['addRow']} onClick={add}>
          + {t(field.add)}
        </button>
      </div>
      {field.isOrdered === true ? (
        <p role="status" className={styles['hint']}>
          {told}
        </p>
      ) : null}
      <HintOf id={id} hint={field.hint} />
      <FaultsOf id={id} faults={faults} />
    </fieldset>
  )
}

function initial(column: ColumnField): string {
  if (column.kind === 'whole') return column.initial
  return column.kind === 'choice' ? (column.options[0]?.[0] ?? '') : ''
}

function nameOf(columns: readonly ColumnField[], row: Row, index: number): string {
  const first = columns.find(({ kind }) => kind !== 'choice')
  return row[first?.name ?? ''] || String(index + 1)
}

type CellMarks = { readonly id: string; readonly 'aria-invalid'?: boolean; readonly 'aria-describedby'?: string }
type CellProps = { readonly tenant: string; readonly column: ColumnField; readonly value: string; readonly number: number; readonly marks: CellMarks; readonly onChange: (value: string) => void }

function Cell({ tenant, column, value, number, marks, onChange }: CellProps): ReactElement {
  const label = t('setup.cell', { column: t(column.label), number })
  const attributes = { ...marks, 'aria-label': label }
  if (column.kind === 'many') {
    const chosen = namesOfCell(value)
    return (
      <div role="group" aria-label={label} id={marks.id} tabIndex={-1} aria-describedby={marks['aria-describedby']} className={styles['ticks']}>
        <span aria-hidden="true">{t(column.label)}</span>
        {column.options.map(([name, words]) => (
          <label key={name} className={styles['check']}>
            <input type="checkbox" checked={chosen.includes(name)} aria-invalid={marks['aria-invalid']} onChange={(event) => onChange((event.target.checked ? [...chosen, name] : chosen.filter((one) => one !== name)).join(','))} />
            {t(words)}
          </label>
        ))}
      </div>
    )
  }
  return (
    <label className={styles['cell']}>
      <span aria-hidden="true">{t(column.label)}</span>
      {column.kind === 'reference' ? (
        <ReferenceInput tenant={tenant} of={column.of} value={value} attributes={attributes} onChange={onChange} />
      ) : column.kind === 'choice' ? (
        <select {...attributes} value={value} onChange={(event) => onChange(event.target.value)}>
          {column.options.map(([name, words]) => (
            <option key={name} value={name}>
              {t(words)}
            </option>
          ))}
        </select>
      ) : (
        <input {...attributes} type="text" inputMode={column.kind === 'whole' ? 'numeric' : 'text'} value={value} autoComplete="off" onChange={(event) => onChange(event.target.value)} />
      )}
    </label>
  )
}
