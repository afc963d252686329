/** What is good, at risk and bad, and which states belong together. Pure. */

import type { Agent, AgentState, Numbers, States } from './model'

export type Level = 'none' | 'good' | 'warning' | 'bad'

/** Percent that a service level should reach, and below which it is bad. */
export const SERVICE_LEVEL_GOAL = 80
export const SERVICE_LEVEL_BAD = 70
/** A wait is bad from so many times the service level's threshold. */
export const WAIT_BAD_FACTOR = 3

export function serviceLevelLevel(numbers: Numbers): Level {
  if (numbers.serviceLevel === null) return 'none'
  if (numbers.serviceLevel >= SERVICE_LEVEL_GOAL) return 'good'
  return numbers.serviceLevel >= SERVICE_LEVEL_BAD ? 'warning' : 'bad'
}

/** At the moment `now`. Without a threshold there is nothing to compare with. */
export function waitLevel(numbers: Numbers, now: number): Level {
  if (numbers.longestWaitSince === null || numbers.serviceLevelThreshold === null) return 'none'
  const seconds = (now - numbers.longestWaitSince) / 1_000
  if (seconds < numbers.serviceLevelThreshold) return 'good'
  return seconds < numbers.serviceLevelThreshold * WAIT_BAD_FACTOR ? 'warning' : 'bad'
}

/** Of all queues together: where their thresholds differ, the worst of them. */
export function totalWaitLevel(totals: Numbers, queues: readonly Numbers[], now: number): Level {
  if (totals.serviceLevelThreshold !== null) return waitLevel(totals, now)
  const levels = queues.map((queue) => waitLevel(queue, now))
  return (['bad', 'warning', 'good'] as const).find((level) => levels.includes(level)) ?? 'none'
}

export type Band = 'ready' | 'ringing' | 'talking' | 'afterCallWork' | 'notReady' | 'unknown' | 'loggedOut'

/** In the order in which a wall shows them. */
export const BANDS: readonly Band[] = ['ready', 'ringing', 'talking', 'afterCallWork', 'notReady', 'unknown', 'loggedOut']

const BAND_OF: Readonly<Record<AgentState, Band>> = {
  ready: 'ready',
  ringing: 'ringing',
  dialing: 'ringing',
  inbound: 'talking',
  outbound: 'talking',
  internal: 'talking',
  consult: 'talking',
  onHold: 'talking',
  afterCallWork: 'afterCallWork',
  notReady: 'notReady',
  unknown: 'unknown',
  loggedOut: 'loggedOut',
}

export function bandOf(state: AgentState): Band {
  return BAND_OF[state]
}

export function bandCounts(states: States): Readonly<Record<Band, number>> {
  const counts: Record<Band, number> = { ready: 0, ringing: 0, talking: 0, afterCallWork: 0, notReady: 0, unknown: 0, loggedOut: 0 }
  for (const [state, count] of Object.entries(states)) {
    if (state in BAND_OF) counts[BAND_OF[state as AgentState]] += count
  }
  return counts
}

/** Who is logged out since before the numbers begin has only their beginning as his `since`. */
export function isSinceKnown(agent: Agent, countsSince: number): boolean {
  return agent.state !== 'loggedOut' || agent.since > countsSince
}

/** `Ada Lovelace` as `Ada L.`, where there is little room; `Desk 4711` as `D. 4711`, for the number tells desks apart. */
export function shortName(name: string): string {
  const words = name.trim().split(/\s+/)
  const [first = '', last = ''] = [words[0], words.at(-1)]
  if (words.length < 2) return first
  return /^\d/.test(last) ? `${first.slice(0, 1)}. ${last}` : `${first} ${last.slice(0, 1)}.`
}

/** What somebody who only listens is told: one sentence per queue and thing that became bad. */
export type Alert = { readonly id: string; readonly queue: string; readonly what: 'wait' | 'serviceLevel' }

export function alertsOf(queues: readonly (Numbers & { readonly id: string; readonly name: string })[], now: number): readonly Alert[] {
  return queues.flatMap((queue): Alert[] => [
    ...(waitLevel(queue, now) === 'bad' ? [{ id: `${queue.id} wait`, queue: queue.name, what: 'wait' as const }] : []),
    ...(serviceLevelLevel(queue) === 'bad' ? [{ id: `${queue.id} level`, queue: queue.name, what: 'serviceLevel' as const }] : []),
  ])
}
