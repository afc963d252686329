import { useId, type ReactElement } from 'react'
import { timeOrDate } from '../../lib/durations'
import { t } from '../../lib/i18n'
import { count, decimal } from '../../lib/numbers'
import { filtered, isCounted, touches, type Connection, type Filter, type Rates, type Selection } from './model'
import { StateWord } from './StateWord'
import styles from './ConnectionTable.module.css'

const COLUMNS = ['id', 'ends', 'protocol', 'carries', 'state', 'requests', 'perSecond', 'errors', 'lastUse', 'proof'] as const

export type ConnectionTableProps = {
  readonly connections: readonly Connection[]
  /** When the roles were asked. */
  readonly at: number
  readonly rates: Rates
  readonly filter: Filter
  readonly onText: (text: string) => void
  readonly selection: Selection
  readonly onSelect: (selection: Selection) => void
}

/** Every row of the drawing in words; what the drawing shows by lines. */
export function ConnectionTable({ connections, at, rates, filter, onText, selection, onSelect }: ConnectionTableProps): ReactElement {
  const field = useId()
  const shown = filtered(connections, filter)
  return (
    <>
      <div className={styles['filter']}>
        <h2>{t('topology.table')}</h2>
        <label htmlFor={field}>{t('topology.find')}</label>
        <input id={field} type="search" value={filter.text} onChange={(event) => onText(event.target.value)} />
        <p aria-live="polite">{howMany(shown, connections.length)}</p>
      </div>
      <div className={styles['scroll']} tabIndex={0} role="region" aria-label={t('topology.table')}>
        <table className={styles['table']}>
          <thead>
            <tr>
              {COLUMNS.map((name) => (
                <th key={name} scope="col">
                  {t(`topology.column.${name}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((connection) => (
              <tr key={connection.id} className={selection.kind === 'connection' && touches(selection, connection) ? styles['chosen'] : undefined}>
                <th scope="row">
                  <button type="button" onClick={() => onSelect({ kind: 'connection', id: connection.id })}>
                    {connection.id}
                  </button>
                </th>
                <td>
                  {connection.from} → {connection.to}
                </td>
                <td>
                  {connection.protocol} {connection.port}
                </td>
                <td className={styles['carries']}>{connection.carries}</td>
                <td>
                  <StateWord state={connection.state} />
                </td>
                <td className={styles['number']}>{isCounted(connection) ? count(connection.requests) : ''}</td>
                <td className={styles['number']}>{rates.has(connection.id) ? decimal(rates.get(connection.id) ?? 0, 1) : ''}</td>
                <td className={styles['number']}>{connection.errors === 0 ? '' : count(connection.errors)}</td>
                <td>{connection.lastUse === null ? '' : timeOrDate(connection.lastUse, at)}</td>
                <td className={styles['proof']}>{connection.proof ?? t(`topology.coverage.${connection.coverage}`)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}

function howMany(shown: readonly Connection[], all: number): string {
  const own = shown.filter((connection) => connection.own).length
  return shown.length === all ? t('topology.shownAll', { all, own }) : t('topology.shownOf', { shown: shown.length, all, own })
}
