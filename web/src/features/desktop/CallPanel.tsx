import { lazy, Suspense, useRef, type ReactElement } from 'react'
import type { Call } from '../../api/workspace-shapes'
import { addTexts, t } from '../../lib/i18n'
import { takesLetters } from '../../lib/shortcuts'
import { Glyph } from '../../ui/state-glyphs'
import { CallActions } from './CallActions'
import { CallClock } from './CallClock'
import { CallData } from './CallData'
import type { DeskProps } from './Desktop'
import { useInSight, useKeptFocus } from './focus-back'
import { RecordingNote } from './RecordingNote'
import { ScreenPop } from './ScreenPop'
import { whyThisCall } from './why'
import { phaseOf, queueOf, typeOf, whoOf } from './words'
import styles from './Desktop.module.css'

/** What was before a call is asked for when there is one. Where that cannot be loaded, calls go on without it. */
const CallCourse = lazy(async () => {
  const nothing: typeof import('./CallCourse').CallCourse = () => null
  const [loaded] = await Promise.all([import('./CallCourse'), addTexts('course')]).catch(() => [{ CallCourse: nothing }] as const)
  return { default: loaded.CallCourse }
})

export type CallPanelProps = DeskProps & { readonly call: Call }

/** One call whole: who, by which queue, what can be done, what came with it. */
export function CallPanel({ desk, state, call }: CallPanelProps): ReactElement {
  const { glyph, text } = phaseOf(call)
  const heading = useRef<HTMLHeadingElement>(null)
  const panel = useRef<HTMLElement>(null)
  useKeptFocus(panel, () => heading.current, call.phase)
  useInSight(panel, call.phase === 'Ringing')
  const why = whyThisCall(call, state.dn?.agent ?? '')
  const parent = state.calls.find(({ id }) => id === call.parent)
  const others = call.participants.filter(({ number }) => number !== call.number)
  const facts: readonly (readonly [string, string])[] = [
    [t('desk.call.queue'), queueOf(call)],
    [t('desk.call.dialled'), queueOf(call) === call.dialled ? '' : call.dialled],
    [t('desk.call.kind'), typeOf(call)],
    [t('desk.call.people'), others.length === 0 ? '' : call.participants.map(({ number }) => number).join(', ')],
  ]
  return (
    <section ref={panel} aria-label={t('desk.call', { who: whoOf(call) })} className={styles['call']} data-panel={call.phase} onFocus={({ target }) => desk.take({ kind: 'writing', call: takesLetters(target) ? call.id : '' })} onBlur={() => desk.take({ kind: 'writing', call: '' })}>
      <div className={styles['head']}>
        <h2 ref={heading} tabIndex={-1} className={styles['who']}>
          {whoOf(call)}
        </h2>
        <p className={`${styles['state']} ${styles[glyph] ?? ''}`}>
          <Glyph name={glyph} />
          <span aria-live="polite">{text}</span>
          <CallClock call={call} />
        </p>
      </div>
      <RecordingNote call={call} />
      {parent === undefined ? null : <p>{t('desk.call.about', { who: whoOf(parent) })}</p>}
      {why === '' ? null : <p data-why>{why}</p>}
      <CallActions desk={desk} call={call} calls={state.calls} configuration={state.configuration} />
      <dl className={styles['facts']}>
        {facts
          .filter(([, value]) => value !== '')
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
      <Suspense fallback={null}>
        <CallCourse call={call} ownDn={state.dn?.number ?? ''} agent={state.dn?.agent ?? ''} />
      </Suspense>
      <ScreenPop call={call} state={state} />
      <CallData desk={desk} call={call} configuration={state.configuration} />
    </section>
  )
}
