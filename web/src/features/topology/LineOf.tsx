import { memo, type ReactElement } from 'react'
import type { ConnectionState, Selection } from './model'
import type { Line } from './routes'
import styles from './lines.module.css'

export type LineOfProps = {
  readonly id: string
  readonly state: ConnectionState
  readonly line: Line
  readonly emphasis: 'plain' | 'chosen' | 'quiet'
  /** Requests a second. */
  readonly rate: number
  readonly onSelect: (selection: Selection) => void
}

/** One connection as a line, with dots that run as fast as its traffic. */
export const LineOf = memo(function LineOf({ id, state, line, emphasis, rate, onSelect }: LineOfProps): ReactElement {
  const sign = SIGNS[state]
  return (
    <g data-connection={id} data-state={state}>
      <path className={`${styles['line']} ${styles[state]} ${styles[emphasis] ?? ''}`} d={line.path} />
      {rate > 0 && emphasis !== 'quiet' ? <path className={styles['traffic']} d={line.path} style={{ animationDuration: `${secondsPerDot(rate)}s` }} /> : null}
      {sign === undefined || emphasis === 'quiet' ? null : (
        <text x={line.middle.x} y={line.middle.y + 7} className={styles[`sign-${state}`]} textAnchor="middle">
          {sign}
        </text>
      )}
      <path
        className={styles['reach']}
        d={line.path}
        onMouseEnter={() => onSelect({ kind: 'connection', id })}
        onClick={() => onSelect({ kind: 'connection', id })}
      />
    </g>
  )
})

/** What needs a human says so by a sign too. */
const SIGNS: Partial<Record<ConnectionState, string>> = { failing: '✕', missing: '?' }

/** How long a dot takes to the place of the next: one per request up to ten a second. Few steps, so that the animation
 *  is not begun anew at each look. */
export function secondsPerDot(rate: number): number {
  const steps = [4, 2, 1, 0.5, 0.25, 0.12]
  return steps.find((seconds) => seconds <= 1 / rate) ?? 0.12
}
