/** What is planned for an agent: now, next, and whether it is time for it. */

import type { AgentState } from '../../api/workspace-shapes'
import type { Planned, Shift } from '../../api/workspace-schedule'
import type { MemberState } from '../../api/workspace-team'
import { timeOfMinute } from '../../lib/durations'

/** For so long after its begin somebody is reminded of a break. */
const REMINDED_MS = 600_000
/** Nobody leaves a caller at the very second. */
const TOLERATED_MS = 180_000

/** A shift without gaps: work between what is planned. */
export function partsOf({ begin, end, activities }: Shift): readonly Planned[] {
  const parts: Planned[] = []
  let at = begin
  for (const activity of activities) {
    if (activity.begin > at) parts.push({ type: 'work', begin: at, end: activity.begin, reason: '' })
    parts.push(activity)
    at = activity.end
  }
  if (at < end) parts.push({ type: 'work', begin: at, end, reason: '' })
  return parts
}

/** The shift of now, or else the next one. */
export function shiftAt(shifts: readonly Shift[], at: number): Shift | undefined {
  return shifts.find(({ end }) => at < end)
}

/** What is planned for this moment. */
export function plannedAt(shifts: readonly Shift[], at: number): Planned | undefined {
  return shifts.flatMap(partsOf).find(({ begin, end }) => begin <= at && at < end)
}

/** What begins next. */
export function nextAfter(shifts: readonly Shift[], at: number): Planned | undefined {
  return shifts.flatMap(partsOf).find(({ begin }) => begin > at)
}

/** A break, or something else that is no work, that has begun, while the agent takes calls. */
export function dueAt(shifts: readonly Shift[], at: number, state: AgentState): Planned | undefined {
  const planned = plannedAt(shifts, at)
  if (planned === undefined || planned.type === 'work' || state !== 'Ready') return undefined
  return at < planned.begin + REMINDED_MS ? planned : undefined
}

const AT_CALLS: readonly MemberState[] = ['ready', 'ringing', 'talking', 'onHold', 'afterCallWork']

/** What somebody of the team should do and does not; of whom nothing is known, nothing is said. */
export function shouldDo(planned: Planned | undefined, state: MemberState, at: number): Planned | undefined {
  if (planned === undefined || state === 'unknown' || at < planned.begin + TOLERATED_MS) return undefined
  return AT_CALLS.includes(state) === (planned.type === 'work') ? undefined : planned
}

/** A time of day by the clocks of a zone, as `14:03`; by the browser's where it does not know the zone. */
export function timeIn(zone: string, at: number): string {
  try {
    return new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone: zone }).format(at)
  } catch {
    return timeOfMinute(at)
  }
}
