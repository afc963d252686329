import type { ReactElement } from 'react'
import { t } from '../../lib/i18n'
import type { Rung } from './ladder'
import styles from './Ladder.module.css'

export type RungLineProps = { readonly rung: Rung; readonly columns: number }

const COLUMN = 150
const HEIGHT = 34
const ARROW_Y = 25

/** One message as an arrow between the life lines of its parties. */
export function RungLine({ rung, columns }: RungLineProps): ReactElement {
  const centre = (column: number): number => column * COLUMN + COLUMN / 2
  const [from, to] = [centre(rung.from), centre(rung.to)]
  const { message } = rung
  const marks = [message.sdp ? t('trace.withSdp') : '', message.repeat ? t('trace.again') : ''].filter((mark) => mark !== '')
  const middle = (from + to) / 2
  return (
    <svg viewBox={`0 0 ${columns * COLUMN} ${HEIGHT}`} className={styles['line']} aria-hidden="true">
      {Array.from({ length: columns }, (_, column) => (
        <line key={column} className={styles['life']} x1={centre(column)} x2={centre(column)} y1="0" y2={HEIGHT} />
      ))}
      <path className={`${styles['arrow']} ${styles[rung.tone]} ${message.repeat ? styles['again'] : ''}`} d={arrow(from, to)} />
      <text className={styles['label']} x={middle} y={ARROW_Y - 8} textAnchor="middle">
        {message.label}
        {marks.length === 0 ? null : <tspan className={styles['marks']}> {marks.join(', ')}</tspan>}
      </text>
    </svg>
  )
}

function arrow(from: number, to: number): string {
  if (from === to) return `M${from} 8h30v${ARROW_Y - 8}h-24M${from + 12} ${ARROW_Y - 5}L${from + 4} ${ARROW_Y}L${from + 12} ${ARROW_Y + 5}`
  const back = to > from ? -9 : 9
  return `M${from} ${ARROW_Y}H${to}M${to + back} ${ARROW_Y - 5}L${to} ${ARROW_Y}L${to + back} ${ARROW_Y + 5}`
}
