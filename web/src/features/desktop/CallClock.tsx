import type { ReactElement } from 'react'
import type { Call } from '../../api/workspace-shapes'
import { clockDuration } from '../../lib/durations'
import { t } from '../../lib/i18n'
import { Since } from '../../ui/Since'
import { isOver } from './missed'
import styles from './Desktop.module.css'

/** How long a call is in its phase; of one that is over, how long it has been. */
export function CallClock({ call }: { readonly call: Call }): ReactElement | null {
  if (!isOver(call)) return <Since since={call.since} className={styles['clock']} />
  return call.lastedMs === undefined ? null : <span className={styles['clock']}>{t('work.call.lasted', { duration: clockDuration(call.lastedMs) })}</span>
}
