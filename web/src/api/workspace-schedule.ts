/** When people work, as our Workspace API tells it. */

import { schedulePaths } from '../lib/schedule-paths'
import { ask, mapped, type DeskAnswer } from './workspace'
import { fieldOf, listOf, textOf } from './workspace-shapes'

export const ACTIVITY_TYPES = ['work', 'break', 'lunch', 'training', 'meeting'] as const
export type ActivityType = (typeof ACTIVITY_TYPES)[number]

/** What is planned for a while. Times are in milliseconds since 1970, by the browser's clock. */
export type Planned = {
  readonly type: ActivityType
  readonly begin: number
  readonly end: number
  /** The code of the reason for which one is not ready meanwhile; empty for none. */
  readonly reason: string
}

export type Shift = { readonly begin: number; readonly end: number; /** As Europe/Berlin. */ readonly zone: string; /** In their order; between them is work. */ readonly activities: readonly Planned[] }

/** What people should do now, by their user names in small letters. */
export type TeamPlan = ReadonlyMap<string, Planned>

export async function readSchedule(): Promise<DeskAnswer<readonly Shift[]>> {
  return mapped(await ask('GET', schedulePaths.own()), (data) => scheduleIn(data, Date.now()))
}

export async function readTeamPlan(groupId: string, term: string): Promise<DeskAnswer<TeamPlan>> {
  return mapped(await ask('GET', schedulePaths.team(groupId, term)), (data) => teamPlanIn(data, Date.now()))
}

// === answers ===

const timeOf = (value: unknown, name: string): number => Number(textOf(value, name)) || 0

/** How far the browser's clock is ahead: `at` is the moment of the answer. */
const aheadOf = (data: unknown, at: number): number => {
  const now = timeOf(data, 'now')
  return now === 0 ? 0 : at - now
}

export function scheduleIn(data: unknown, at: number): readonly Shift[] {
  const ahead = aheadOf(data, at)
  const shifts = listOf(data, 'shifts').map((one) => ({
    begin: timeOf(one, 'begin') + ahead,
    end: timeOf(one, 'end') + ahead,
    zone: textOf(one, 'timeZone'),
    activities: listOf(one, 'activities').flatMap((activity) => plannedIn(activity, ahead) ?? []),
  }))
  return shifts.filter(({ begin, end }) => begin < end).sort((a, b) => a.begin - b.begin)
}

export function teamPlanIn(data: unknown, at: number): TeamPlan {
  const ahead = aheadOf(data, at)
  const entries = listOf(data, 'schedules').flatMap((one) => {
    const [userName, planned] = [textOf(one, 'userName').toLowerCase(), plannedIn(one, ahead)]
    return userName === '' || planned === undefined ? [] : [[userName, planned] as const]
  })
  return new Map(entries)
}

/** What this page does not know is left out: a later server may plan other things. */
function plannedIn(value: unknown, ahead: number): Planned | undefined {
  const type = ACTIVITY_TYPES.find((known) => known === textOf(value, 'type'))
  if (type === undefined || fieldOf(value, 'begin') === undefined) return undefined
  return { type, begin: timeOf(value, 'begin') + ahead, end: timeOf(value, 'end') + ahead, reason: textOf(value, 'reasonCode') }
}
