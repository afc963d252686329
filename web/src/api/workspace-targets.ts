/** Whom a call can go to, as the Workspace API has it: targets with their availability, favourites, recents. */

import { targetPaths } from '../lib/target-paths'
import { ask, mapped, type DeskAnswer } from './workspace'
import { fieldOf, listOf, textOf } from './workspace-shapes'

export const TARGET_TYPES = ['agent', 'agent-group', 'acd-queue', 'route-point', 'skill', 'custom-contact', 'contact'] as const
export type TargetType = (typeof TARGET_TYPES)[number]

/** What agents look for. */
export const SEARCHED_TYPES: readonly TargetType[] = ['agent', 'agent-group', 'acd-queue', 'route-point', 'custom-contact']

export type AgentPresence = {
  readonly state: 'ready' | 'notReady' | 'afterCallWork' | 'ringing' | 'talking' | 'onHold' | 'loggedOut' | 'unknown'
  /** The code of a reason for being not ready; empty without one. */
  readonly reason: string
  /** In milliseconds since 1970, by the browser's clock; undefined where it is not told. */
  readonly since: number | undefined
}

export type Availability = { readonly kind: 'agent'; readonly presence: AgentPresence } | { readonly kind: 'group'; readonly ready: number } | { readonly kind: 'queue'; readonly waiting: number } | { readonly kind: 'unknown' }

export type Target = {
  readonly type: TargetType
  readonly id: string
  readonly name: string
  readonly userName: string
  /** Of a queue that has no number its name; empty for what has neither, as a group. */
  readonly number: string
  readonly availability: Availability
  /** Whether somebody keeps it among the contacts; other numbers are of the same type. */
  readonly isContact?: true
}

export type RecentTarget = {
  readonly target: Target
  /** In milliseconds since 1970, by the server's clock; 0 where it is not told. */
  readonly at: number
  /** A call of theirs that nobody has answered, and that was not looked at yet. */
  readonly isMissed: boolean
}

/** Whether a call can go there: calls wait in a queue without a number, but nobody dials it. */
export function isCallable({ type, number }: Target): boolean {
  return number !== '' && (type !== 'acd-queue' || /^\+?[\d*#]+$/.test(number))
}

/** What a search has found. */
export type FoundTargets = {
  readonly targets: readonly Target[]
  /** How many there are, those included that are not told. */
  readonly total: number
  /** Whether they come from a directory that may be a minute old. */
  readonly isBehind: boolean
}

export const LIMIT = 20
/** As many as somebody reads through. */
export const SHOWN_MAX = 200
export const FAVOURITES_MAX = 200
const RECENTS_MAX = 50

// === questions ===

export async function searchTargets(term: string, types: readonly TargetType[], limit = LIMIT): Promise<DeskAnswer<FoundTargets>> {
  return mapped(await ask('GET', targetPaths.search(term, types, limit)), (data) => foundIn(data, Date.now()))
}

/** One as it is now; undefined where it is not there any more. */
export async function readTarget({ type, id }: Target): Promise<DeskAnswer<Target | undefined>> {
  return mapped(await ask('GET', targetPaths.target(type, id)), (data) => targetsIn(data, Date.now())[0])
}

export async function readFavourites(): Promise<DeskAnswer<readonly Target[]>> {
  return mapped(await ask('GET', targetPaths.favourites(FAVOURITES_MAX)), (data) => targetsIn(data, Date.now()))
}

export async function readRecents(): Promise<DeskAnswer<readonly RecentTarget[]>> {
  return mapped(await ask('GET', targetPaths.recents(RECENTS_MAX)), (data) => recentsIn(data, Date.now()))
}

/** The names and numbers are kept with it: it is shown also where it is not found any more. */
export function saveFavourite(target: Target, category: string): Promise<DeskAnswer<unknown>> {
  const [firstName = '', ...others] = target.name.split(' ')
  const shown = { type: target.type, id: target.id, firstName, lastName: others.join(' '), numbers: target.number === '' ? [] : [target.number] }
  return ask('POST', targetPaths.saveFavourite(), { data: { target: shown, category, ignoreDuplication: true } })
}

export function deleteFavourite({ type, id }: Target): Promise<DeskAnswer<unknown>> {
  return ask('POST', targetPaths.deleteFavourite(type, id), {})
}

export function seeMissedCalls(): Promise<DeskAnswer<unknown>> {
  return ask('POST', targetPaths.seenMissed(), {})
}

// === answers ===

/** `at` is the moment of the answer. */
export function targetsIn(data: unknown, at: number): readonly Target[] {
  return listOf(data, 'targets').flatMap((one) => targetIn(one, at) ?? [])
}

export function foundIn(data: unknown, at: number): FoundTargets {
  const targets = targetsIn(data, at)
  return { targets, total: Number(textOf(data, 'totalMatches')) || targets.length, isBehind: textOf(data, 'searchedIn') === 'configuration' }
}

export function recentsIn(data: unknown, at: number): readonly RecentTarget[] {
  return listOf(data, 'targets').flatMap((one) => {
    const target = targetIn(one, at)
    const about = fieldOf(one, 'recentInformation')
    return target === undefined ? [] : [{ target, at: Number(textOf(about, 'timeStamp')) || 0, isMissed: fieldOf(about, 'isMissed') === true }]
  })
}

/** Undefined for one that says not what it is. */
export function targetIn(value: unknown, at: number): Target | undefined {
  const written = textOf(value, 'type').toLowerCase().replaceAll('_', '-')
  const type = TARGET_TYPES.find((one) => one === written)
  if (type === undefined) return undefined
  const voice = voiceOf(fieldOf(value, 'availability'))
  const numbers = listOf(value, 'numbers').filter((one) => typeof one === 'string')
  // Where an agent works now counts before the own place.
  const number = textOf(voice, 'phoneNumber') || textOf(value, 'number') || (numbers[0] ?? '')
  const people = [textOf(value, 'firstName'), textOf(value, 'lastName')].filter(Boolean).join(' ')
  const id = textOf(value, 'id') || textOf(value, 'DBID') || number
  const name = people || textOf(value, 'name') || textOf(value, 'userName') || number || id
  return { type, id, name, userName: textOf(value, 'userName'), number, availability: availabilityIn(type, fieldOf(value, 'availability'), voice, at), ...(fieldOf(value, 'isShared') === undefined ? {} : { isContact: true as const }) }
}

const voiceOf = (availability: unknown): unknown => listOf(availability, 'channels').find((one) => textOf(one, 'name') === 'voice')

function availabilityIn(type: TargetType, availability: unknown, voice: unknown, at: number): Availability {
  const [ready, waiting] = [fieldOf(availability, 'readyAgents'), fieldOf(availability, 'waitingCalls')]
  if (type === 'agent' && availability !== undefined) return { kind: 'agent', presence: presenceIn(voice, at) }
  if (typeof ready === 'number') return { kind: 'group', ready }
  if (typeof waiting === 'number') return { kind: 'queue', waiting }
  return { kind: 'unknown' }
}

/** An agent without a channel of voice is logged out. */
function presenceIn(voice: unknown, at: number): AgentPresence {
  if (voice === undefined) return { state: 'loggedOut', reason: '', since: undefined }
  const user = fieldOf(voice, 'userState')
  const seconds = fieldOf(voice, 'timeInCurrentState')
  const since = typeof seconds === 'number' && seconds >= 0 ? at - seconds * 1_000 : undefined
  return { state: busyState(textOf(voice, 'activity')) ?? agentState(textOf(user, 'state'), textOf(user, 'workMode')), reason: textOf(user, 'reason'), since }
}

function busyState(activity: string): AgentPresence['state'] | undefined {
  if (activity === 'ReceivingCall') return 'ringing'
  if (activity === 'CallOnHold') return 'onHold'
  return activity === 'InitiatingCall' || /^Handling\w+Call$/.test(activity) ? 'talking' : undefined
}

function agentState(state: string, workMode: string): AgentPresence['state'] {
  if (state === 'Ready') return 'ready'
  if (state === 'NotReady' || state === 'LoggedIn') return workMode === 'AfterCallWork' ? 'afterCallWork' : 'notReady'
  return state === 'LoggedOut' || state === 'LoggedOff' || state === 'Logout' ? 'loggedOut' : 'unknown'
}
