import { useQuery } from '@tanstack/react-query'
import { useState, type ReactElement } from 'react'
import { readSchedule, type Planned, type Shift } from '../../api/workspace-schedule'
import type { Dn } from '../../api/workspace-shapes'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { useSecond } from '../../ui/use-second'
import type { Desk } from './desk'
import { KeyedButton } from './KeyedButton'
import { dueAt, nextAfter, partsOf, plannedAt, shiftAt, timeIn } from './schedule'
import styles from './Desktop.module.css'

/** Plans change seldom. */
const READ_AGAIN_MS = 120_000

export type ScheduleNoteProps = { readonly desk: Pick<Desk, 'ask'>; readonly dn: Dn }

/** What is planned for the agent; nothing where nobody plans. */
export function ScheduleNote({ desk, dn }: ScheduleNoteProps): ReactElement | null {
  const { data } = useQuery({
    queryKey: ['desktop', 'schedule'],
    queryFn: async () => {
      const answer = await readSchedule()
      if (answer.kind === 'ok') return answer.value
      // A server that knows no plans has none.
      if (answer.failure.kind === 'refused' && answer.failure.status < 500) return []
      throw new Error('not read')
    },
    refetchInterval: READ_AGAIN_MS,
    retry: false,
  })
  return data === undefined || data.length === 0 ? null : <Ticked shifts={data} desk={desk} dn={dn} />
}

function Ticked(props: ScheduleNoteProps & { readonly shifts: readonly Shift[] }): ReactElement | null {
  return <ScheduleShown {...props} at={useSecond()} />
}

export type ScheduleShownProps = ScheduleNoteProps & { readonly shifts: readonly Shift[]; readonly at: number }

/** Now, what comes next, the day as a list, and a line that says when it is time for a break. */
export function ScheduleShown({ desk, dn, shifts, at }: ScheduleShownProps): ReactElement | null {
  const [isOpen, setOpen] = useState(false)
  const shift = shiftAt(shifts, at)
  if (shift === undefined) return null
  const [planned, next, due] = [plannedAt(shifts, at), nextAfter(shifts, at), dueAt(shifts, at, dn.state)]
  const time = (of: number): string => timeIn(shift.zone, of)
  return (
    <div className={styles['data']} data-schedule={planned?.type ?? 'none'}>
      <p>{planned === undefined ? t('plan.free') : t('plan.now', { what: wordsOf(planned), until: time(planned.end) })}</p>
      <p className={styles['quiet']}>{next === undefined ? t('plan.last') : t('plan.next', { what: wordsOf(next), at: time(next.begin) })}</p>
      <p role="status" className={due === undefined ? 'visually-hidden' : styles['strong']}>
        {due === undefined ? '' : t(`plan.due.${due.type}`, { until: time(due.end) })}
      </p>
      <div className={styles['buttons']}>
        {due === undefined ? null : <Button onClick={() => void desk.ask('not-ready', '', { agentWorkMode: 'AuxWork', ...(due.reason === '' ? {} : { reasonCode: due.reason }) })}>{t('plan.begin', { what: wordsOf(due) })}</Button>}
        <KeyedButton keys="g p" text={t('plan.day')} pressed={isOpen} onRun={() => setOpen(!isOpen)} />
      </div>
      {isOpen ? <Day shift={shift} at={at} /> : null}
    </div>
  )
}

/** The parts of a shift; that of now is marked. */
export function Day({ shift, at }: { readonly shift: Shift; readonly at: number }): ReactElement {
  return (
    <ul className={styles['steps']} aria-label={t('plan.day')}>
      {partsOf(shift).map((part) => {
        const isNow = part.begin <= at && at < part.end
        return (
          <li key={part.begin} {...(isNow ? { 'aria-current': 'time' as const, className: styles['strong'] } : {})}>
            {t('plan.part', { begin: timeIn(shift.zone, part.begin), end: timeIn(shift.zone, part.end), what: wordsOf(part) })}
          </li>
        )
      })}
    </ul>
  )
}

const wordsOf = ({ type }: Planned): string => t(`plan.type.${type}`)
