import { useRef, useState, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Since } from '../../ui/Since'
import { Glyph } from '../../ui/state-glyphs'
import { say } from '../../ui/toast'
import { AskForNotices } from './CallNotice'
import type { DeskProps } from './Desktop'
import { useFocusWhileOpen, useKeptFocus } from './focus-back'
import { KeyedButton } from './KeyedButton'
import { NoCallsNote } from './NoCallsNote'
import { stateAtWork } from './state-at-work'
import { isOver, reasonOf } from './missed'
import { presses, usePress } from './presses'
import { ScheduleNote } from './ScheduleNote'
import { completeSaved, saveAll } from './use-drafts'
import { isAfterCall, reasonWords } from './words'
import { WrapUp } from './WrapUp'
import styles from './Desktop.module.css'

/** Whether the agent takes calls, why not, for how long; and what can be changed of it. */
export function StatusPanel({ desk, state }: DeskProps): ReactElement | null {
  const { dn, calls, configuration } = state
  const [isChoosing, setChoosing] = useState(false)
  const panel = useRef<HTMLElement>(null)
  const press = usePress()
  useKeptFocus(panel, () => panel.current?.querySelector('button') ?? null, `${dn?.state} ${dn?.workMode}`)
  if (dn === undefined) return null
  const { glyph, text } = stateAtWork(dn, calls)
  const reason = reasonWords(dn, configuration)
  const isIn = dn.state !== 'LoggedOut'
  const ready = async (): Promise<boolean> => {
    setChoosing(false)
    // Who is ready is done with the calls before.
    await Promise.all(calls.filter(isOver).map((call) => completeSaved(desk, call)))
    return desk.ask('ready')
  }
  const notReady = (code: string): void => {
    setChoosing(false)
    void desk.ask('not-ready', '', { agentWorkMode: 'AuxWork', ...(code === '' ? {} : { reasonCode: code }) })
  }
  const leave = async (): Promise<void> => {
    if (calls.some((call) => !isOver(call))) return say(t('desk.logout.calls'), 'bad')
    if (!(await saveAll(desk, calls))) return say(t('work.unsaved.logout'), 'bad')
    await desk.leave()
  }
  return (
    <section ref={panel} aria-label={t('desk.status')} className={styles['panel']} data-agent={dn.state} data-work-mode={dn.workMode}>
      <p className={`${styles['state']} ${styles[glyph] ?? ''}`}>
        <Glyph name={glyph} />
        <span aria-live="polite">{text}</span>
        <Since since={dn.since} className={styles['clock']} />
      </p>
      {reason === '' || dn.state === 'Ready' ? null : <p>{reason}</p>}
      {isIn ? <NoCallsNote desk={desk} dn={dn} /> : null}
      {dn.state === 'OutOfService' ? <p>{t('desk.state.advice.outOfService')}</p> : null}
      <div className={styles['buttons']}>
        {!isIn ? <KeyedButton keys="r" text={t('desk.login')} tone="main" {...press('r')} onRun={() => presses.press('r', desk, () => desk.ask('login'))} /> : null}
        {isIn && dn.state !== 'Ready' ? <KeyedButton keys="r" text={isAfterCall(dn) ? t('desk.wrapUp.end') : t('desk.ready')} tone="main" {...press('r')} onRun={() => presses.press('r', desk, ready)} /> : null}
        {isIn ? <KeyedButton keys="n" text={t('desk.notReady')} pressed={isChoosing} onRun={() => setChoosing(!isChoosing)} /> : null}
      </div>
      {isAfterCall(dn) && dn.workMode === 'AfterCallWork' ? <WrapUp desk={desk} dn={dn} /> : null}
      {isIn && isChoosing ? <Reasons reasons={[{ code: '', name: t('desk.notReady.plain') }, ...(configuration?.reasons ?? [])]} now={dn.state === 'NotReady' ? reasonOf(dn) : undefined} onChoose={notReady} onClose={() => setChoosing(false)} /> : null}
      <ScheduleNote desk={desk} dn={dn} />
      <p className={styles['quiet']}>
        {t('desk.at', { dn: dn.number })} · {t('desk.agent', { agent: dn.agent === '' ? (state.user?.agent ?? '') : dn.agent })}
      </p>
      <AskForNotices />
      <div>
        <Button onClick={() => void leave()}>{t('desk.logout')}</Button>
      </div>
    </section>
  )
}

type ReasonsProps = { readonly reasons: readonly { readonly code: string; readonly name: string }[]; readonly now: string | undefined; readonly onChoose: (code: string) => void; readonly onClose: () => void }

/** The reasons, one press each. */
function Reasons({ reasons, now, onChoose, onClose }: ReasonsProps): ReactElement {
  const group = useRef<HTMLDivElement>(null)
  useFocusWhileOpen(group, 'button')
  return (
    <div ref={group} role="group" aria-label={t('desk.notReady.choose')} className={styles['reasons']} onKeyDown={(event) => (event.key === 'Escape' ? onClose() : undefined)}>
      {reasons.map(({ code, name }) => (
        <Button key={code} pressed={now === code} onClick={() => onChoose(code)}>
          {name}
        </Button>
      ))}
    </div>
  )
}
