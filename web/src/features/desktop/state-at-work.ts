/** The state of an agent at work: what the words of a state alone do not say of it. */

import type { Call, Dn } from '../../api/workspace-shapes'
import { t } from '../../lib/i18n'
import { isOver } from './missed'
import { isAfterCall, stateOf, type StateShown } from './words'

/** Calls after which a state that is asked for in them holds: those with colleagues change nothing. */
const BUSINESS = ['Inbound', 'Outbound']

/** Whether somebody has gone not ready during a call, which goes on first. */
export function isNotReadyAfter(dn: Dn, calls: readonly Call[]): boolean {
  if (dn.state !== 'NotReady' || isAfterCall(dn)) return false
  return calls.some((call) => !isOver(call) && call.phase !== 'Ringing' && BUSINESS.includes(call.type) && call.began < dn.since)
}

export function stateAtWork(dn: Dn, calls: readonly Call[]): StateShown {
  if (dn.state === 'Ready' && dn.isUndisturbed) return { glyph: 'notReady', text: t('work.state.undisturbed') }
  if (isNotReadyAfter(dn, calls)) return { glyph: 'notReady', text: t('work.state.notReadyAfter') }
  return stateOf(dn)
}
