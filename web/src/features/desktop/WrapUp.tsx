import { useCallback, type ReactElement } from 'react'
import type { Dn } from '../../api/workspace-shapes'
import { clockDuration } from '../../lib/durations'
import { t } from '../../lib/i18n'
import { Ticking } from '../../ui/Ticking'
import { useSecond } from '../../ui/use-second'
import type { Desk } from './desk'
import { KeyedButton } from './KeyedButton'
import { moreSeconds, WARNED_MS } from './wrap-up'
import styles from './Desktop.module.css'

export type WrapUpProps = { readonly desk: Desk; readonly dn: Dn }

/** After-call work: for how long it goes on, said in time, and what gives more of it. */
export function WrapUp({ desk, dn }: WrapUpProps): ReactElement {
  const { until } = dn
  const longer = (extensions: readonly object[]): void => void desk.ask('not-ready', '', { agentWorkMode: 'AfterCallWork', ...(extensions.length === 0 ? {} : { extensions }) })
  return (
    <>
      {until === undefined ? <p className={styles['quiet']}>{t('work.wrapUp.untimed')}</p> : <Left until={until} />}
      <div className={styles['buttons']}>
        {until === undefined ? null : <MinuteMore until={until} onMore={(value) => longer([{ key: 'WrapUpTime', type: 'int', value }])} />}
        {until === undefined ? null : <KeyedButton keys="w" text={t('desk.wrapUp.longer')} onRun={() => longer([])} />}
      </div>
    </>
  )
}

/** Not there while so much is left that more of it is not known to have an end. */
function MinuteMore({ until, onMore }: { readonly until: number; readonly onMore: (seconds: number) => void }): ReactElement | null {
  const seconds = moreSeconds(until, useSecond())
  return seconds === undefined ? null : <KeyedButton keys="u" text={t('work.wrapUp.minute')} onRun={() => onMore(moreSeconds(until, Date.now()) ?? seconds)} />
}

function Left({ until }: { readonly until: number }): ReactElement {
  const text = useCallback((now: number) => t('work.wrapUp.left', { left: clockDuration(until - now) }), [until])
  const isSoon = useSecond() > until - WARNED_MS
  return (
    <>
      <p data-wrap-up>
        <Ticking text={text} />
      </p>
      <p role="status" className={isSoon ? styles['strong'] : 'visually-hidden'}>
        {isSoon ? t('work.wrapUp.soon') : ''}
      </p>
    </>
  )
}
