import { useEffect, useSyncExternalStore } from 'react'
import { showBeside } from '../../lib/beside'
import { addTexts } from '../../lib/i18n'
import { tellHeld } from '../../lib/unsaved'
import { backOffMs } from '../../live/back-off'
import type { Desk } from './desk'
import { deskOfPhone } from './desk-phone'
import type { DeskState } from './desk-state'
import { isBrowserPhone } from './phone-kinds'
import { softphone } from './softphone'
import type { SoftphoneState } from './softphone-state'

/** The page's phone as it is now. */
export function useSoftphone(): SoftphoneState {
  return useSyncExternalStore(softphone.onChange, softphone.state, softphone.state)
}

/** On other pages of the tab the phone rings, too, and is answered there. Without what shows that, it is answered at the desktop. */
async function showElsewhere(): Promise<void> {
  const [{ PhoneStrip }] = await Promise.all([import('./softphone/PhoneStrip'), addTexts('softphone')])
  showBeside(PhoneStrip)
}

/** Also while another page of the tab is looked at: a call that is heard here ends with the tab. */
softphone.onChange(() => tellHeld('phone', softphone.state().calls.some(({ phase }) => phase !== 'ringing')))

/** From so many questions without an answer on it is said that the phone is missing. */
const FAILURES_SAID = 3

/** Makes the page the phone of the desk's DN, where that is a browser phone, for as long as the agent works there. */
export function usePhoneOfDesk(desk: Desk, { phase, dn, connection }: DeskState): void {
  const number = phase.kind === 'working' ? (dn?.number ?? '') : ''
  // What is on hold is known once the session has been read.
  const isKnown = connection.kind === 'live'
  // A session that is over does not end a call: it goes on at the same DN, or ends with another one.
  useEffect(() => {
    if (phase.kind === 'left') softphone.stop()
    if (phase.kind === 'choosing') softphone.doubt()
  }, [phase.kind])
  useEffect(() => {
    if (number === '' || !isKnown) return undefined
    let isWanted = true
    let failures = 0
    let timer: ReturnType<typeof setTimeout> | undefined
    const look = async (): Promise<void> => {
      clearTimeout(timer)
      const is = await isBrowserPhone(number)
      if (!isWanted) return
      if (is === true) void showElsewhere().catch(() => undefined)
      if (is === true) return softphone.start(number, deskOfPhone(desk.state, (what, call) => desk.ask(what, call)))
      if (is === false) return softphone.stop()
      failures += 1
      // One that does not answer at once is waited for in silence: most DNs are phones of their own.
      if (failures >= FAILURES_SAID) softphone.isMissing(() => void look())
      clearTimeout(timer)
      timer = setTimeout(() => void look(), backOffMs(failures, Math.random()))
    }
    void look()
    return () => {
      isWanted = false
      clearTimeout(timer)
    }
  }, [desk, number, isKnown])
}
