/** The phone of this page: it waits until no other tab is the phone. */

import { readTicket } from '../../../api/browser-phone'
import { Telemetry, tabName } from '../../../api/telemetry'
import { accountNow } from '../../../live/account'
import { ownSession } from '../../../live/own-session'
import { openSipPhone } from '../../../live/sip-phone'
import type { PhoneEngine, StartEngine } from '../softphone'
import { phoneName } from './kept-calls'
import { pageAudio } from './phone-audio'
import { alsoTold } from './phone-items'
import { holdLock } from './phone-lock'
import { PhoneOfPage } from './phone-of-page'

export const startOfPage: StartEngine = (number, desk, own): PhoneEngine => {
  const telemetry = new Telemetry(ownSession, tabName(), Date.now, undefined, Math.random, 'softphone')
  const later = (run: () => void, ms: number): (() => void) => {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  }
  const account = accountNow()
  const tenant = 'account' in account ? account.account.tenant : ''
  const shown = alsoTold(own, telemetry)
  const phone = new PhoneOfPage(number, desk, shown, { readTicket, openPhone: openSipPhone, audio: pageAudio(), keep: localStorage, telemetry, now: Date.now, later, tenant })
  if (!isSecureContext) {
    shown.take({ kind: 'phase', phase: { kind: 'failed', why: 'insecure', said: '' } })
    return phone
  }
  const hurry = (): void => phone.hurry()
  addEventListener('online', hurry)
  const waits = (): void => own.take({ kind: 'phase', phase: { kind: 'elsewhere' } })
  const release = holdLock(phoneName(tenant, number), waits, () => void phone.begin())
  const stop = phone.stop.bind(phone)
  phone.stop = () => {
    removeEventListener('online', hurry)
    stop()
    release()
  }
  return phone
}
