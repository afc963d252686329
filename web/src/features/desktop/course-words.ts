/** What a call has come through, in words. */

import type { Chosen, Course, CourseStep, PassedOver } from '../../api/workspace-course'
import { clockDuration } from '../../lib/durations'
import { t, type PlainText } from '../../lib/i18n'

/** Published types of treatments; another one is shown as it is called. */
const TREATMENTS: Readonly<Record<string, PlainText>> = {
  PlayAnnouncement: 'course.treatment.announcement',
  PlayAnnouncementAndDigits: 'course.treatment.menu',
  CollectDigits: 'course.treatment.menu',
  Music: 'course.treatment.music',
  RingBack: 'course.treatment.ringBack',
  Silence: 'course.treatment.silence',
  RecordUserAnnouncement: 'course.treatment.record',
}

/** Why agents are passed over, as the router names it. */
const REASONS: Readonly<Record<string, PlainText>> = {
  '': 'course.passed.free',
  'idle-shorter': 'course.passed.idleShorter',
  'logged-out': 'course.passed.loggedOut',
  'not-ready': 'course.passed.notReady',
  reserved: 'course.passed.reserved',
  'no-capacity': 'course.passed.noCapacity',
  'on-call': 'course.passed.onCall',
  'phone-out-of-service': 'course.passed.phone',
  'do-not-disturb': 'course.passed.undisturbed',
  forwarded: 'course.passed.forwarded',
  excluded: 'course.passed.excluded',
  skills: 'course.passed.skills',
}

export function passedWords({ why }: Pick<PassedOver, 'why'>): string {
  const known = REASONS[why]
  return known === undefined ? why : t(known)
}

/** Steps of which an agent wants to know; the own phone is none of them. Music says nothing where the queue beside it does. */
export function shownSteps({ steps }: Course, ownDn: string): readonly CourseStep[] {
  const hasQueue = steps.some(({ kind }) => kind === 'queue')
  return steps.filter(({ kind, name, durationMs }) => {
    if (kind === 'routePoint') return !hasQueue && durationMs === undefined
    if (kind === 'phone') return name !== ownDn
    return !(kind === 'treatment' && name === 'Music' && hasQueue)
  })
}

export function stepWords({ kind, name, durationMs, keyCount, keys }: CourseStep): string {
  const lasted = durationMs === undefined ? t('course.now') : clockDuration(durationMs)
  switch (kind) {
    case 'routePoint':
      return t('course.routePoint', { name })
    case 'queue':
      return durationMs === undefined ? t('course.queueNow', { name }) : t('course.queue', { name, lasted })
    case 'notTaken':
      return t('course.notTaken', { name })
    case 'phone':
      return t('course.phone', { name, lasted })
    case 'treatment': {
      const known = TREATMENTS[name]
      const what = known === undefined ? name : t(known)
      if (keys !== '') return t('course.keys', { what, keys })
      if (keyCount > 0) return t('course.keyCount', { what, many: keyCount })
      return t('course.treatment', { what, lasted })
    }
  }
}

/** What membership of a group is to routing: a skill whose name begins so. */
const OF_GROUP = 'group:'

/** What of the agent has decided, and how long the caller has waited, in one line; empty where the choice does not say what has decided. */
export function becauseWords(chosen: Chosen): string {
  const you = youWords(chosen)
  if (you === '' || chosen.waitedMs === undefined) return you
  return t('course.you.waited', { you, waited: clockDuration(chosen.waitedMs), queue: chosen.queue })
}

function youWords(chosen: Chosen): string {
  const own = chosen.skills.filter(({ skill }) => !skill.startsWith(OF_GROUP))
  const skills = own.map(({ skill, level }) => t('course.skill', { skill, level: String(level) })).join(', ')
  const isLongest = chosen.rule === 'longest-idle-agent' && (chosen.more > 0 || freeOthers(chosen) > 0)
  if (skills !== '') return isLongest ? t('course.you.both', { skills }) : t('course.you.skills', { skills })
  return isLongest ? t('course.you.longest') : ''
}

/** How many others are known to have been free for it. */
function freeOthers({ passedOver }: Chosen): number {
  return passedOver.filter(({ why }) => why === 'idle-shorter').length
}

/** For how long the agent had been ready; empty where it is not told, or the agent came free for it. */
export function readyWords({ rule, readyForMs }: Chosen): string {
  return rule !== 'longest-idle-agent' || readyForMs === undefined ? '' : t('course.ready', { lasted: clockDuration(readyForMs) })
}

/** Why this agent and no other one; empty where the course does not say it. */
export function chosenWords(chosen: Chosen): string {
  const { rule, more, waiting } = chosen
  if (rule === 'longest-idle-agent') {
    const others = freeOthers(chosen)
    // Of further ones is not told who of them could have taken it.
    if (more > 0) return t('course.idleAtLeast', { others })
    return others > 0 ? t('course.idle', { others }) : t('course.only')
  }
  return rule === 'highest-priority-then-longest-wait' && waiting > 0 ? t('course.first', { waiting }) : ''
}

/** The last choice of a course, where it has brought the call here: not that of another agent, nor one after which somebody else has had the call. */
export function lastChosen({ steps }: Course, agent: string, ownDn: string): Chosen | undefined {
  const at = steps.map(({ chosen }) => chosen !== undefined).lastIndexOf(true)
  const hasGoneOn = steps.slice(at + 1).some(({ kind, name }) => kind === 'phone' && name !== ownDn)
  const chosen = steps[at]?.chosen
  return chosen?.agent === agent && !hasGoneOn ? chosen : undefined
}

/** How long the caller has waited in queues altogether, and in which one last. A call may wait in several at a time. */
export function waitedIn({ steps }: Course): { readonly ms: number; readonly queue: string } | undefined {
  const queues = steps.filter(({ kind }) => kind === 'queue')
  const last = queues.at(-1)
  if (last === undefined) return undefined
  // One that goes on has lasted until the latest of what is known, by the server's clock.
  const latest = Math.max(...steps.map(({ at, durationMs }) => at + (durationMs ?? 0)))
  let [ms, until] = [0, 0]
  for (const { at, durationMs } of [...queues].sort((one, other) => one.at - other.at)) {
    const end = durationMs === undefined ? latest : at + durationMs
    ms += Math.max(0, end - Math.max(at, until))
    until = Math.max(until, end)
  }
  return { queue: last.name, ms }
}
