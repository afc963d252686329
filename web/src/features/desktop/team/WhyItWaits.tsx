import { useState, type ReactElement } from 'react'
import { moveWaiting, type ExplainedWait, type WaitingRequest } from '../../../api/workspace-course'
import type { Configuration } from '../../../api/workspace-shapes'
import { t } from '../../../lib/i18n'
import { Button } from '../../../ui/Button'
import { Since } from '../../../ui/Since'
import { say } from '../../../ui/toast'
import { passedWords, shownSteps, stepWords } from '../course-words'
import type { Desk } from '../desk'
import { DestinationForm } from '../DestinationForm'
import styles from '../Desktop.module.css'
import { skillsIn } from '../why'
import { wordsOf } from '../words'
import { useWhy } from './use-waiting'
import { reasonsOf, whereWaits, whoWaits, whyWords } from './waiting-words'

export type WhyItWaitsProps = { readonly desk: Pick<Desk, 'noted'>; readonly call: string; readonly configuration: Configuration | undefined; readonly onClose: () => void }

/** Why one call waits: what it asks for, who could take it and does not; and where else it can go. */
export function WhyItWaits({ desk, call, configuration, onClose }: WhyItWaitsProps): ReactElement {
  const { why, isGone, isAway } = useWhy(call)
  const [isMoving, setMoving] = useState(false)
  const move = async (destination: string): Promise<boolean> => {
    const answer = await moveWaiting(call, { operationId: desk.noted('redirect', why === undefined ? destination : whoWaits(why.call)), data: { destination } })
    if (answer.kind === 'ok') say(t('waiting.moved', { number: destination }))
    else say(t('waiting.notMoved', { why: wordsOf(answer.failure).what }), 'bad')
    return answer.kind === 'ok'
  }
  return (
    <section aria-label={t('waiting.why')} className={styles['panel']} data-why-waits={call}>
      <h2 className={styles['strong']}>{why === undefined ? t('waiting.why') : t('waiting.whyOf', { who: whoWaits(why.call) })}</h2>
      <div aria-live="polite">
        {isGone ? <p>{t('waiting.gone')}</p> : null}
        {isAway ? <p>{t('waiting.away')}</p> : null}
        {why === undefined && !isGone && !isAway ? <p>{t('loading')}</p> : null}
      </div>
      {why === undefined ? null : <Explained why={why} />}
      <div className={styles['buttons']}>
        {isGone ? null : (
          <Button pressed={isMoving} onClick={() => setMoving(!isMoving)}>
            {t('waiting.move')}
          </Button>
        )}
        <Button onClick={onClose}>{t('desk.close')}</Button>
      </div>
      {isMoving && !isGone ? <DestinationForm submit={t('waiting.moveNow')} hint={t('waiting.moveHint')} configuration={configuration} onGo={move} onClose={() => setMoving(false)} /> : null}
    </section>
  )
}

function Explained({ why }: { readonly why: ExplainedWait }): ReactElement {
  const { call, course, requests } = why
  const steps = shownSteps(course, '')
  return (
    <>
      <p>
        {t('waiting.since', { where: whereWaits(call) })} <Since since={call.since} />
      </p>
      {requests.length === 0 ? <p>{t('waiting.noRequest')}</p> : requests.map((request, index) => <Request key={index} request={request} />)}
      {steps.length === 0 ? null : (
        <details>
          <summary>{t('course.title')}</summary>
          <ol className={styles['steps']}>
            {steps.map((step, index) => (
              <li key={index}>{stepWords(step)}</li>
            ))}
          </ol>
        </details>
      )}
    </>
  )
}

function Request({ request }: { readonly request: WaitingRequest }): ReactElement {
  const { asksFor, priority, agents, withoutSkills } = request
  const skills = skillsIn(asksFor) || asksFor
  return (
    <div className={styles['data']}>
      <p>{priority === 0 ? t('waiting.asks', { skills }) : t('waiting.asksFirst', { skills, priority })}</p>
      <p className={styles['strong']}>{whyWords(request)}</p>
      <ul className={styles['steps']}>
        {reasonsOf(request).map(({ text, many }) => (
          <li key={text}>{t('waiting.reason', { many, text })}</li>
        ))}
        {withoutSkills === 0 ? null : <li>{t('waiting.withoutSkills', { many: withoutSkills })}</li>}
      </ul>
      {agents.length === 0 ? null : (
        <details>
          <summary>{t('waiting.agents')}</summary>
          <ul className={styles['steps']}>
            {agents.map((agent) => (
              <li key={agent.agent}>{t('course.other', { agent: agent.agent, why: passedWords(agent) })}</li>
            ))}
          </ul>
        </details>
      )}
    </div>
  )
}
