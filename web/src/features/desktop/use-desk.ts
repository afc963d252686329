import { useEffect, useState, useSyncExternalStore } from 'react'
import * as workspace from '../../api/workspace'
import { freezeAt } from '../../lib/ticker'
import { accountNow, refreshAccount } from '../../live/account'
import { openBayeuxLater } from '../../live/bayeux-later'
import { watchSleep } from '../../live/sleep-watch'
import { newDesk, type Desk } from './desk'
import type { DeskState } from './desk-state'
import { softphone } from './softphone'

const SLEEPER = {
  now: () => Date.now(),
  isHidden: () => document.hidden,
  each: (look: () => void, ms: number) => {
    const looking = setInterval(look, ms)
    return () => clearInterval(looking)
  },
}

let hasSlept = (): boolean => false

/** The desk of the page, for as long as the page is shown. */
export function useDesk(): readonly [Desk, DeskState] {
  const [desk] = useState(deskOfPage)
  const state = useSyncExternalStore(desk.onChange, desk.state)
  useEffect(() => desk.start(), [desk])
  useEffect(() => {
    const { hasSlept: has, end } = watchSleep(SLEEPER)
    hasSlept = has
    return end
  }, [])
  // Nobody confirms that durations go on while nothing is heard.
  const lostAt = state.away?.since
  useEffect(() => {
    freezeAt(lostAt)
    return () => freezeAt(undefined)
  }, [lostAt])
  return [desk, state]
}

/** A session that does not say whose it is, or an account that is not known, is nobody else's. */
function isOurs(userName: string): boolean {
  const account = accountNow()
  return userName === '' || !('account' in account) || account.account.user === userName
}

function deskOfPage(): Desk {
  const operateCall: typeof workspace.operateCall = async (id, operation, body) => {
    const call = desk.state().calls.find((one) => one.id === id)
    if (operation !== 'answer' || call === undefined || !softphone.rings(call.number)) return workspace.operateCall(id, operation, body)
    // Loaded with the phone that rings, and not before.
    const { comesToBe, operatedHere, ownPhone } = await import('./desk-phone')
    return operatedHere(ownPhone(softphone), () => desk.state().calls, workspace.operateCall, comesToBe(desk.onChange))(id, operation, body)
  }
  const desk: Desk = newDesk({ ...workspace, operateCall, openBayeux: openBayeuxLater, isOurs, onSignedOut: () => void refreshAccount('page'), hasSlept: () => hasSlept(), later: (run, ms) => void setTimeout(run, ms) })
  return desk
}
