import { useEffect, useState, useSyncExternalStore } from 'react'
import * as workspace from '../../api/workspace'
import { freezeAt } from '../../lib/ticker'
import { accountNow, refreshAccount } from '../../live/account'
import { openBayeuxLater } from '../../live/bayeux-later'
import { newDesk, type Desk } from './desk'
import { operatedHere, type Awaits } from './desk-phone'
import type { DeskState } from './desk-state'
import { softphone } from './softphone'

/** The desk of the page, for as long as the page is shown. */
export function useDesk(): readonly [Desk, DeskState] {
  const [desk] = useState(deskOfPage)
  const state = useSyncExternalStore(desk.onChange, desk.state)
  useEffect(() => desk.start(), [desk])
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

/** The switch does what it has accepted within that time, or it will not be waited for. */
const DONE_MS = 5_000

function comesToBe(desk: Desk, is: () => boolean, tell: (is: boolean) => void): void {
  if (is()) return tell(true)
  const end = (has: boolean): void => {
    clearTimeout(timer)
    unread()
    tell(has)
  }
  const timer = setTimeout(() => end(false), DONE_MS)
  const unread = desk.onChange(() => (is() ? end(true) : undefined))
}

function deskOfPage(): Desk {
  const comesTo: Awaits = (is) => new Promise((resolve) => comesToBe(desk, is, resolve))
  const operateCall = operatedHere(softphone, () => desk.state().calls, workspace.operateCall, comesTo)
  const desk: Desk = newDesk({ ...workspace, operateCall, openBayeux: openBayeuxLater, isOurs, onSignedOut: () => void refreshAccount('page'), later: (run, ms) => void setTimeout(run, ms) })
  return desk
}
