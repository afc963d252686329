import { useId, type ReactElement } from 'react'
import { timeOrDate } from '../../lib/durations'
import { messages } from '../../lib/messages'
import { count, decimal } from '../../lib/numbers'
import { filtered, isCounted, touches, type Connection, type Filter, type Rates, type Selection } from './model'
import { StateWord } from './StateWord'
import styles from './ConnectionTable.module.css'

const text = messages.topology
const column = text.column

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
        <h2>{text.table}</h2>
        <label htmlFor={field}>{text.find}</label>
        <input id={field} type="search" value={filter.text} onChange={(event) => onText(event.target.value)} />
        <p aria-live="polite">{text.shownOf(shown.length, connections.length, shown.filter((connection) => connection.own).length)}</p>
      </div>
      <div className={styles['scroll']} tabIndex={0} role="region" aria-label={text.table}>
        <table className={styles['table']}>
          <thead>
            <tr>
              {[column.id, column.ends, column.protocol, column.carries, column.state, column.requests, column.perSecond, column.errors, column.lastUse, column.proof].map((name) => (
                <th key={name} scope="col">
                  {name}
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
                <td className={styles['proof']}>{connection.proof ?? text.coverage[connection.coverage]}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}
