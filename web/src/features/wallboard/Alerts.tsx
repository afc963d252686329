import { useEffect, useRef, useState, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { useSecond } from '../../ui/use-second'
import type { Queue } from './model'
import { alertsOf, type Alert } from './rules'

export type AlertsProps = { readonly queues: readonly Queue[] }

/** Says, for a screen reader, what became bad; nothing else of the wall speaks by itself. */
export function Alerts({ queues }: AlertsProps): ReactElement {
  const now = useSecond()
  const known = useRef<ReadonlySet<string>>(new Set())
  const [said, setSaid] = useState('')
  useEffect(() => {
    const alerts = alertsOf(queues, now)
    const fresh = alerts.filter((alert) => !known.current.has(alert.id))
    known.current = new Set(alerts.map((alert) => alert.id))
    if (fresh.length > 0) setSaid(fresh.map(wordsOf).join(' '))
  }, [queues, now])
  return (
    <p className="visually-hidden" role="status" aria-live="polite">
      {said}
    </p>
  )
}

function wordsOf(alert: Alert): string {
  return alert.what === 'wait' ? t('wallboard.alertWait', { queue: alert.queue }) : t('wallboard.alertServiceLevel', { queue: alert.queue })
}
