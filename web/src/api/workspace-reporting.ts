/** Numbers that are counted, as the Workspace API has them: a subscription, and values that come by themselves. */

import { targetPaths } from '../lib/target-paths'
import { ask, mapped, type DeskAnswer } from './workspace'
import { fieldOf, listOf, textOf } from './workspace-shapes'

/** `objectType` as statistics have it: `Agent`, `Queue`, `RoutePoint`. */
export type Statistic = { readonly objectId: string; readonly objectType: string; readonly name: string }

/** Values by `keyOf`: a number; seconds for a time, a share from 0 to 1 for a level. */
export type StatisticValues = Readonly<Record<string, number>>

export type ReportingSubscription = { readonly id: string; readonly values: StatisticValues }

export function keyOf({ objectId, objectType, name }: Statistic): string {
  return `${objectType} ${objectId} ${name}`
}

/** Opens them together. */
export async function subscribeStatistics(statistics: readonly Statistic[]): Promise<DeskAnswer<ReportingSubscription>> {
  const body = { data: { statistics: statistics.map((statistic) => ({ ...statistic, statisticId: keyOf(statistic) })) } }
  return mapped(await ask('POST', targetPaths.subscribe(), body), subscriptionIn)
}

/** The values as they are now. */
export async function peekStatistics(id: string): Promise<DeskAnswer<ReportingSubscription>> {
  return mapped(await ask('GET', targetPaths.subscription(id)), subscriptionIn)
}

export function unsubscribeStatistics(id: string): Promise<DeskAnswer<unknown>> {
  return ask('DELETE', targetPaths.subscription(id))
}

export function subscriptionIn(data: unknown): ReportingSubscription {
  return { id: textOf(data, 'subscriptionId'), values: valuesIn(data) }
}

/** What has no number yet is left out. */
export function valuesIn(data: unknown): StatisticValues {
  const pairs = listOf(data, 'statistics').flatMap((one) => {
    const value = numberIn(fieldOf(one, 'value'))
    return value === undefined ? [] : [[keyOf({ objectId: textOf(one, 'objectId'), objectType: textOf(one, 'objectType'), name: textOf(one, 'name') }), value] as const]
  })
  return Object.fromEntries(pairs)
}

/** Some servers wrap it. */
function numberIn(value: unknown): number | undefined {
  const found = typeof value === 'object' ? (fieldOf(value, 'intValue') ?? fieldOf(value, 'value')) : value
  return typeof found === 'number' && Number.isFinite(found) ? found : undefined
}
