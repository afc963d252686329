import { useEffect, useRef, useState, type ReactElement } from 'react'
import type { Call } from '../../api/workspace-shapes'
import { t } from '../../lib/i18n'
import type { DeskState } from './desk-state'
import { KeyedButton } from './KeyedButton'
import { opensNow, screenPopOf } from './screen-pop'
import styles from './Desktop.module.css'

/** One window for all of them: each call's page takes the place of the one before. */
const WINDOW = 'trunkline-screen-pop'

/** Opens the page about the caller, and offers it. */
export function ScreenPop({ call, state }: { readonly call: Call; readonly state: DeskState }): ReactElement | null {
  const pop = screenPopOf(call, state.configuration, state.user?.agent ?? '')
  const [isBlocked, setBlocked] = useState(false)
  const before = useRef<Call['phase']>(undefined)
  const open = (url: string): void => setBlocked(window.open(url, WINDOW) === null)
  useEffect(() => {
    const phase = before.current
    before.current = call.phase
    // Of two tabs the one opens it in which the agent has pressed something just now: a browser would not let the other one.
    if (pop !== undefined && opensNow(pop.when, phase, call) && navigator.userActivation.isActive) open(pop.url)
  }, [call, pop])
  if (pop === undefined) return null
  return (
    <div className={styles['buttons']} data-screen-pop={pop.url}>
      <KeyedButton keys="o" text={t('work.pop')} onRun={() => open(pop.url)} />
      {isBlocked ? <p role="alert">{t('work.pop.blocked')}</p> : null}
    </div>
  )
}
