/** What a supervisor does for one of the team. */

import { MEMBER_STATES, operateMember, type TeamMember } from '../../../api/workspace-team'
import type { DeskAnswer } from '../../../api/workspace'
import type { Call } from '../../../api/workspace-shapes'
import type { Data, Desk } from '../desk'

export type Listening = 'listen' | 'whisper' | 'bargeIn'
export type Setting = 'ready' | 'not-ready' | 'logout'

/** Each with its mode, and the operation that changes a call that is monitored already to it. */
const MODES = {
  listen: { monitoringMode: 'Mute', change: 'switch-to-listen-in' },
  whisper: { monitoringMode: 'Coach', change: 'switch-to-coaching' },
  bargeIn: { monitoringMode: 'Connect', change: 'switch-to-barge-in' },
} as const

/** The call in which this agent is monitored here. */
export function monitored(calls: readonly Call[], member: TeamMember): Call | undefined {
  return calls.find((call) => call.capabilities.some((one) => one.startsWith('switch-to-')) && call.participants.some(({ number }) => number === member.number))
}

/** Begins to monitor what somebody does now, or changes how. */
export function listenTo(desk: Pick<Desk, 'ask'>, calls: readonly Call[], member: TeamMember, how: Listening): Promise<boolean> {
  const { monitoringMode, change } = MODES[how]
  const call = monitored(calls, member)
  if (call !== undefined) return call.capabilities.includes(change) ? desk.ask(change, call.id) : Promise.resolve(true)
  const data: Data = { phoneNumberToMonitor: member.number, monitoringMode, monitoringNextCallType: 'Current', monitoringScope: 'Call' }
  return desk.ask('start-monitoring', '', data)
}

/** The answer says whether it is accepted; the desk tells where it fails later. */
export function setMember(desk: Pick<Desk, 'noted'>, member: TeamMember, to: Setting): Promise<DeskAnswer<unknown>> {
  return operateMember(member.id, to, { operationId: desk.noted(to, member.name), data: {} })
}

/** The states that somebody may look for, each with how many are in it. */
export function statesOf(members: readonly TeamMember[], loggedOut: number): readonly { readonly state: TeamMember['state']; readonly many: number }[] {
  const of = (state: TeamMember['state']): number => (state === 'loggedOut' ? Math.max(loggedOut, members.filter((one) => one.state === state).length) : members.filter((one) => one.state === state).length)
  return MEMBER_STATES.map((state) => ({ state, many: of(state) })).filter(({ many }) => many > 0)
}

export type TeamCount = { readonly ready: number; readonly talking: number; readonly others: number }

/** How many are ready, talk, or do something else at work. */
export function countOf(members: readonly TeamMember[]): TeamCount {
  const of = (...states: readonly TeamMember['state'][]): number => members.filter(({ state }) => states.includes(state)).length
  return { ready: of('ready'), talking: of('talking', 'onHold'), others: of('ringing', 'afterCallWork', 'notReady', 'unknown') }
}
