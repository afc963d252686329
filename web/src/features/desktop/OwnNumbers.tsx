import { useQuery } from '@tanstack/react-query'
import type { ReactElement } from 'react'
import { searchTargets } from '../../api/workspace-targets'
import { clockDuration } from '../../lib/durations'
import { t } from '../../lib/i18n'
import { count, percent } from '../../lib/numbers'
import type { DeskProps } from './Desktop'
import { agentNumbers, ownQueues, queueNumbers, queuesAreNamed, statisticsOf, type OwnQueue } from './own-numbers'
import { useFavourites } from './use-favourites'
import { useNumbers } from './use-own-numbers'
import desk from './Desktop.module.css'
import styles from './Directory.module.css'

const QUEUES_KEPT_MS = 600_000

/** What the agent has done today, and how it stands in the own queues. */
export function OwnNumbers(props: DeskProps): ReactElement {
  const { state } = props
  const { favourites, isKnown } = useFavourites()
  const isNamed = queuesAreNamed(state.configuration)
  const isAsked = !isNamed && isKnown && !favourites.some(({ type }) => type === 'acd-queue' || type === 'route-point')
  const { data } = useQuery({ queryKey: ['desktop', 'queues'], queryFn: () => searchTargets('*', ['acd-queue', 'route-point']), enabled: isAsked, staleTime: QUEUES_KEPT_MS, refetchOnWindowFocus: false })
  const queues = ownQueues(state.configuration, favourites, data?.kind === 'ok' ? data.value.targets : [])
  const agent = state.dn?.agent || (state.user?.agent ?? '')
  // First all is known that is asked for: each question opens them anew.
  const isReady = isNamed || (isKnown && (!isAsked || data !== undefined))
  const isAway = useNumbers(props, isReady ? statisticsOf(agent, queues) : [])
  const own = agentNumbers(state.numbers, agent)
  const facts: readonly (readonly [string, string])[] = [
    [t('work.numbers.handled'), own.handled === undefined ? '–' : count(own.handled)],
    [t('work.numbers.average'), timeOf(own.averageS)],
    [t('work.numbers.talk'), timeOf(own.talkS)],
  ]
  return (
    <section aria-label={t('work.numbers')} className={desk['panel']} data-numbers={isAway ? 'away' : 'there'}>
      <dl className={desk['facts']}>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {queues.length === 0 ? null : <Queues queues={queues} {...props} />}
      {isAway ? <p className={desk['quiet']}>{t('work.numbers.away')}</p> : null}
    </section>
  )
}

const timeOf = (seconds: number | undefined): string => (seconds === undefined ? '–' : clockDuration(seconds * 1_000))

function Queues({ queues, state }: DeskProps & { readonly queues: readonly OwnQueue[] }): ReactElement {
  return (
    <table className={styles['queues']}>
      <thead>
        <tr>
          <th scope="col">{t('work.numbers.queue')}</th>
          <th scope="col">{t('work.numbers.waiting')}</th>
          <th scope="col">{t('work.numbers.longest')}</th>
          <th scope="col">{t('work.numbers.level')}</th>
        </tr>
      </thead>
      <tbody>
        {queues.map((queue) => {
          const { waiting, longestS, level } = queueNumbers(state.numbers, queue)
          return (
            <tr key={`${queue.objectType} ${queue.objectId}`} data-queue={queue.name}>
              <th scope="row">{queue.name}</th>
              <td>{waiting === undefined ? '–' : count(waiting)}</td>
              <td>{timeOf(waiting === 0 ? undefined : longestS)}</td>
              <td>{level === undefined ? '–' : `${percent(level * 100)} %`}</td>
            </tr>
          )
        })}
      </tbody>
    </table>
  )
}
