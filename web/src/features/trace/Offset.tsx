import type { ReactElement } from 'react'
import { preciseTimeOfDay } from '../../lib/durations'
import styles from './Steps.module.css'

export type OffsetProps = { readonly at: number; readonly beganAt: number }

/** When something happened, in seconds since the call began; the time of day stands behind it. */
export function Offset({ at, beganAt }: OffsetProps): ReactElement {
  return (
    <time className={styles['offset']} title={preciseTimeOfDay(at)}>
      +{((at - beganAt) / 1_000).toFixed(3)}
    </time>
  )
}
