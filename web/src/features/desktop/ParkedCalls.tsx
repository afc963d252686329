import { useEffect, useRef, useSyncExternalStore, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Since } from '../../ui/Since'
import type { DeskProps } from './Desktop'
import { KeyedButton } from './KeyedButton'
import { forgetPark, notParked, onParked, parkedNow, stillAskedBack, waiting, type AskedBack, type Parked } from './parked'
import { useSoftphone } from './use-softphone'
import styles from './Desktop.module.css'

/** Where parked calls wait. One that was parked here is taken back: it rings, and where this page is the phone, it is answered at once. */
export function ParkedCalls({ desk, state }: DeskProps): ReactElement | null {
  const all = useSyncExternalStore(onParked, parkedNow, parkedNow)
  const { calls, troubles } = state
  const parked = waiting(all, calls)
  const isPhone = useSoftphone().phase.kind === 'ready'
  const asked = useRef<AskedBack>(undefined)
  useEffect(() => {
    for (const one of notParked(all, { calls, troubles })) forgetPark(one)
  }, [all, calls, troubles])
  useEffect(() => {
    asked.current = stillAskedBack(asked.current, { troubles }, Date.now())
    const back = calls.find(({ id, phase }) => id === asked.current?.call && phase === 'Ringing')?.id
    if (back === undefined) return
    asked.current = undefined
    for (const one of parkedNow()) if (one.call === back) forgetPark(one)
    desk.take({ kind: 'select', call: back })
    if (isPhone) void desk.ask('answer', back)
  }, [calls, troubles, desk, isPhone])
  const fetch = async (one: Parked): Promise<void> => {
    asked.current = { call: one.call, at: Date.now() }
    if (!(await desk.ask('fetch-parked', '', { connId: one.call }))) asked.current = undefined
  }
  if (parked.length === 0) return null
  const last = parked.at(-1)
  return (
    <section aria-label={t('work.parked')} className={styles['panel']}>
      <ul className={styles['calls']}>
        {parked.map((one) => (
          <li key={`${one.call} ${one.at}`} data-parked={one.dial}>
            <p>
              {t('work.parked.call', { who: one.who, dial: one.dial })} <Since since={one.at} />
            </p>
            <div className={styles['buttons']}>
              {one === last ? (
                <KeyedButton keys="z" text={t('work.parked.fetch')} tone="main" label={t('work.parked.fetchOf', { who: one.who })} onRun={() => void fetch(one)} />
              ) : (
                <Button label={t('work.parked.fetchOf', { who: one.who })} onClick={() => void fetch(one)}>
                  {t('work.parked.fetch')}
                </Button>
              )}
              <Button label={`${t('work.parked.seen')}: ${one.who}`} onClick={() => forgetPark(one)}>
                {t('work.parked.seen')}
              </Button>
            </div>
          </li>
        ))}
      </ul>
    </section>
  )
}
