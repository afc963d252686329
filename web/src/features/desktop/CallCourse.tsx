import { useQuery } from '@tanstack/react-query'
import type { ReactElement } from 'react'
import { readCourse, type Course } from '../../api/workspace-course'
import type { Call } from '../../api/workspace-shapes'
import { clockDuration } from '../../lib/durations'
import { t } from '../../lib/i18n'
import { becauseWords, chosenWords, lastChosen, passedWords, readyWords, shownSteps, stepWords, waitedIn } from './course-words'
import styles from './Desktop.module.css'

export type CallCourseProps = { readonly call: Call; readonly ownDn: string; readonly agent: string }

/** What a caller has come through before, and why this agent was chosen. It is read as the call comes, and each time that it comes again. */
export function CallCourse({ call, ownDn, agent }: CallCourseProps): ReactElement | null {
  const isAsked = call.type !== 'Consult' && call.phase !== 'Released' && call.phase !== 'Completed'
  // What has been learnt of a call stays when it is over.
  const { data } = useQuery({
    queryKey: ['desktop', 'course', call.id],
    queryFn: async () => {
      const answer = await readCourse(call.id)
      if (answer.kind === 'ok') return answer.value
      // A call that the server does not know a course of has none to show.
      if (answer.failure.kind === 'refused' && answer.failure.status < 500) return null
      throw new Error('not read')
    },
    enabled: isAsked,
    staleTime: 0,
    retry: 2,
    refetchOnWindowFocus: false,
  })
  return data === undefined || data === null ? null : <CourseShown course={data} ownDn={ownDn} agent={agent} />
}

export function CourseShown({ course, ownDn, agent }: Omit<CallCourseProps, 'call'> & { readonly course: Course }): ReactElement | null {
  const steps = shownSteps(course, ownDn)
  const chosen = lastChosen(course, agent, ownDn)
  const why = chosen === undefined ? '' : [chosenWords(chosen), readyWords(chosen)].filter((words) => words !== '').join(' ')
  const because = chosen === undefined ? '' : becauseWords(chosen)
  // It is said once.
  const waited = because !== '' && chosen?.waitedMs !== undefined ? undefined : waitedIn(course)
  if (steps.length === 0 && why === '' && because === '') return null
  return (
    <section aria-label={t('course.title')} className={styles['data']} data-course>
      {because === '' ? null : <p data-because>{because}</p>}
      {waited === undefined ? null : <p>{t('course.waited', { lasted: clockDuration(waited.ms), queue: waited.queue })}</p>}
      {why === '' ? null : <p data-chosen>{why}</p>}
      {steps.length === 0 ? null : (
        <details>
          <summary>{t('course.title')}</summary>
          <ol className={styles['steps']}>
            {steps.map((step, index) => (
              <li key={index}>{stepWords(step)}</li>
            ))}
          </ol>
          {course.leftOut === 0 && course.isWhole ? null : <p className={styles['quiet']}>{t('course.partly')}</p>}
        </details>
      )}
      {chosen === undefined || chosen.passedOver.length === 0 ? null : (
        <details>
          <summary>{t('course.others')}</summary>
          <ul className={styles['steps']}>
            {chosen.passedOver.map(({ agent, why: reason }) => (
              <li key={agent}>{t('course.other', { agent, why: passedWords({ why: reason }) })}</li>
            ))}
          </ul>
        </details>
      )}
    </section>
  )
}
