import { useState, type ReactElement } from 'react'
import type { WaitingCall } from '../../../api/workspace-course'
import { t } from '../../../lib/i18n'
import { Since } from '../../../ui/Since'
import { Glyph } from '../../../ui/state-glyphs'
import type { DeskProps } from '../Desktop'
import styles from '../Desktop.module.css'
import { useWaiting } from './use-waiting'
import { whereWaits, whoWaits } from './waiting-words'
import { WhyItWaits } from './WhyItWaits'

/** So many rows are shown at first: those that have waited for longest. */
const SHOWN_MAX = 10

/** The calls that wait; of the one that is chosen, why it does. */
export function WaitingCalls({ desk, state }: DeskProps): ReactElement {
  const { waiting, isAway } = useWaiting()
  const [chosen, setChosen] = useState('')
  const calls = waiting?.calls ?? []
  const shown = calls.filter(({ id }, index) => index < SHOWN_MAX || id === chosen)
  return (
    <>
      <section aria-label={t('waiting.title')} className={styles['panel']} data-waiting-calls={waiting?.all ?? ''}>
        <h2 className={styles['strong']}>{t('waiting.title')}</h2>
        {isAway ? <p role="status">{t('waiting.away')}</p> : null}
        {waiting !== undefined && calls.length === 0 ? <p>{t('waiting.none')}</p> : null}
        <ul className={styles['calls']}>
          {shown.map((call) => (
            <Row key={call.id} call={call} isChosen={call.id === chosen} onChoose={() => setChosen(call.id === chosen ? '' : call.id)} />
          ))}
        </ul>
        {waiting !== undefined && waiting.all > shown.length ? <p className={styles['quiet']}>{t('waiting.many', { shown: shown.length, all: waiting.all })}</p> : null}
      </section>
      {chosen === '' ? null : <WhyItWaits desk={desk} key={chosen} call={chosen} configuration={state.configuration} onClose={() => setChosen('')} />}
    </>
  )
}

type RowProps = { readonly call: WaitingCall; readonly isChosen: boolean; readonly onChoose: () => void }

function Row({ call, isChosen, onChoose }: RowProps): ReactElement {
  return (
    <li data-waits={call.id}>
      <button type="button" aria-pressed={isChosen} className={styles['row']} onClick={onChoose}>
        <Glyph name="ringing" className={styles['ringing']} />
        <span className={styles['strong']}>{whoWaits(call)}</span>
        <span>{whereWaits(call)}</span>
        <Since since={call.since} className={styles['clock']} />
      </button>
    </li>
  )
}
