import { useEffect, useRef, useState, type ReactElement } from 'react'
import type { Call } from '../../api/workspace-shapes'
import { t } from '../../lib/i18n'
import type { DeskState } from './desk-state'
import { KeyedButton } from './KeyedButton'
import { isOver } from './missed'
import { newPageWindow } from './page-window'
import { opensNow, popsAfterMs, popsHere, screenPopOf } from './screen-pop'
import styles from './Desktop.module.css'

/** One window for all of them: each call's page takes the place of the one before. */
const showInWindow = newPageWindow()

/** Opens the page about the caller, and offers it. */
export function ScreenPop({ call, state }: { readonly call: Call; readonly state: DeskState }): ReactElement | null {
  const pop = screenPopOf(call, state.configuration, state.user?.agent ?? '')
  const [isBlocked, setBlocked] = useState(false)
  const before = useRef<Call['phase']>(undefined)
  const open = (url: string): void => setBlocked(!showInWindow(url))
  const latest = useRef({ call, pop })
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => {
    latest.current = { call, pop }
  })
  useEffect(() => {
    const phase = before.current
    before.current = call.phase
    const { call: now, pop: wanted } = latest.current
    if (wanted === undefined || !opensNow(wanted.when, phase, now)) return
    // Without a press just now a browser may keep it from opening, unless the site may: that is said then, and a press opens it.
    const pops = (): void => {
      const { pop: filled } = latest.current
      if (filled !== undefined && !isOver(latest.current.call) && popsHere(now.id, localStorage)) open(filled.url)
    }
    const isPressed = 'userActivation' in navigator && navigator.userActivation.isActive
    // It opens also where the call goes on faster than that.
    timer.current = setTimeout(pops, popsAfterMs({ isPressed, isSeen: document.visibilityState === 'visible', isFocused: document.hasFocus() }))
  }, [call.id, call.phase])
  useEffect(() => () => clearTimeout(timer.current), [])
  if (pop === undefined) return null
  return (
    <div className={styles['buttons']} data-screen-pop={pop.url}>
      <KeyedButton keys="o" text={t('work.pop')} onRun={() => open(pop.url)} />
      {isBlocked ? <p role="alert">{t('work.pop.blocked')}</p> : null}
    </div>
  )
}
