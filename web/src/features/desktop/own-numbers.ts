/** Which numbers an agent sees of the own work and of the own queues, by the names that statistics have. */

import { keyOf, type Statistic, type StatisticValues } from '../../api/workspace-reporting'
import type { Configuration } from '../../api/workspace-shapes'
import type { Target } from '../../api/workspace-targets'

/** The setting that names the queues of a tenant or of a group: names with commas between. */
const QUEUES = 'statistics.queues'
/** More are not shown beside calls. */
const QUEUES_MAX = 8

const OF_AGENT = ['CallsHandled', 'AverageHandleTime', 'TalkTime'] as const
const OF_QUEUE = ['CurrentCallsWaiting', 'LongestWait', 'ServiceLevel'] as const

export type OwnQueue = { readonly name: string; readonly objectId: string; readonly objectType: 'Queue' | 'RoutePoint' }

/** Those that the configuration names, or else those that are favourites, or else those that there are. */
export function ownQueues(configuration: Configuration | undefined, favourites: readonly Target[], all: readonly Target[]): readonly OwnQueue[] {
  const named = [...new Set((configuration?.settings[QUEUES] ?? '').split(',').map((name) => name.trim()).filter(Boolean))]
  if (named.length > 0) return named.slice(0, QUEUES_MAX).map((name) => ({ name, objectId: name, objectType: 'Queue' }))
  const own = favourites.flatMap(queueIn)
  return (own.length > 0 ? own : all.flatMap(queueIn)).slice(0, QUEUES_MAX)
}

export function queuesAreNamed(configuration: Configuration | undefined): boolean {
  return (configuration?.settings[QUEUES] ?? '').trim() !== ''
}

function queueIn({ type, name, number }: Target): readonly OwnQueue[] {
  if (type === 'acd-queue') return [{ name, objectId: number === '' ? name : number, objectType: 'Queue' }]
  return type === 'route-point' && number !== '' ? [{ name, objectId: number, objectType: 'RoutePoint' }] : []
}

/** All of them, to be asked for together. */
export function statisticsOf(agent: string, queues: readonly OwnQueue[]): readonly Statistic[] {
  const own = agent === '' ? [] : OF_AGENT.map((name) => ({ objectId: agent, objectType: 'Agent', name }))
  return [...own, ...queues.flatMap(({ objectId, objectType }) => OF_QUEUE.map((name) => ({ objectId, objectType, name })))]
}

export type AgentNumbers = { readonly handled: number | undefined; readonly averageS: number | undefined; readonly talkS: number | undefined }
export type QueueNumbers = { readonly waiting: number | undefined; readonly longestS: number | undefined; /** A share, 0 to 1. */ readonly level: number | undefined }

export function agentNumbers(values: StatisticValues, agent: string): AgentNumbers {
  const of = (name: (typeof OF_AGENT)[number]): number | undefined => values[keyOf({ objectId: agent, objectType: 'Agent', name })]
  return { handled: of('CallsHandled'), averageS: of('AverageHandleTime'), talkS: of('TalkTime') }
}

export function queueNumbers(values: StatisticValues, { objectId, objectType }: OwnQueue): QueueNumbers {
  const of = (name: (typeof OF_QUEUE)[number]): number | undefined => values[keyOf({ objectId, objectType, name })]
  return { waiting: of('CurrentCallsWaiting'), longestS: of('LongestWait'), level: of('ServiceLevel') }
}
