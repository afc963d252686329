import { useEffect, useState, type ReactElement } from 'react'
import type { Call } from '../../api/workspace-shapes'
import { t } from '../../lib/i18n'
import { tellHeld } from '../../lib/unsaved'
import { useShortcut } from '../../ui/use-shortcut'
import { BesideCalls } from './BesideCalls'
import { slotOf } from './CallActions'
import { CallList } from './CallList'
import { useCallNotice } from './CallNotice'
import { CallPanel } from './CallPanel'
import type { DeskProps } from './Desktop'
import { DialForm } from './DialForm'
import { continues, isOver } from './missed'
import { PhoneSlot } from './PhoneSlot'
import { presses } from './presses'
import { StatusPanel } from './StatusPanel'
import { UnsavedNotes } from './UnsavedNotes'
import { useDraftKeeping } from './use-drafts'
import { queueOf, whoOf } from './words'
import styles from './Desktop.module.css'

/** The desk at work: status and calls, one of them whole, then what stands beside them. In this order also where there is room for one column alone: a call that rings is near the top. */
export function Work({ desk, state }: DeskProps): ReactElement {
  const { calls, selected, away, isVoiceThere, dn } = state
  const call = calls.find(({ id }) => id === selected)
  const panel = usePanelKey(call)
  useDraftKeeping(desk, state)
  const isOnCall = calls.some((one) => !isOver(one))
  useEffect(() => {
    tellHeld('call', isOnCall)
    return () => tellHeld('call', false)
  }, [isOnCall])
  const ringing = calls.find(({ phase }) => phase === 'Ringing')
  const answer = (): void => {
    if (ringing === undefined) return
    desk.take({ kind: 'select', call: ringing.id })
    presses.press(slotOf(ringing, { keys: 'a' }), desk, () => desk.ask('answer', ringing.id))
  }
  useCallNotice(ringing)
  // The call that is shown has it at its button.
  useShortcut(ringing === undefined || call?.phase === 'Ringing' ? '' : 'a', t('desk.op.answer'), answer)
  return (
    <>
      <p role="status" className="visually-hidden">
        {ringing === undefined ? '' : queueOf(ringing) === '' ? t('desk.call.rings', { who: whoOf(ringing) }) : t('desk.call.ringsBy', { who: whoOf(ringing), queue: queueOf(ringing) })}
      </p>
      {isVoiceThere ? null : (
        <p role="alert" className={`${styles['note']} ${styles['warning']}`}>
          {t('desk.voiceAway')}
        </p>
      )}
      <UnsavedNotes state={state} />
      <div className={away === undefined ? styles['work'] : `${styles['work']} ${styles['old']} stale`}>
        <div className={styles['side']}>
          <StatusPanel desk={desk} state={state} />
          <CallList desk={desk} state={state} />
        </div>
        {call === undefined ? (
          <p className={styles['empty']}>{dn?.state === 'Ready' || calls.length > 0 ? t('desk.calls.none') : t('desk.calls.nobodyCalls')}</p>
        ) : (
          <CallPanel key={panel} desk={desk} state={state} call={call} />
        )}
        <div className={styles['side']}>
          <PhoneSlot state={state} />
          <DialForm desk={desk} />
          <BesideCalls desk={desk} state={state} />
        </div>
      </div>
    </>
  )
}

/** What is typed and open in the panel of a call stays when the call goes on under another id. */
function usePanelKey(call: Call | undefined): string {
  const [shown, setShown] = useState({ id: '', key: '' })
  if (call === undefined || call.id === shown.id) return shown.key
  const key = shown.id !== '' && continues(call, { id: shown.id }) ? shown.key : call.id
  setShown({ id: call.id, key })
  return key
}
