/** A supervisor's people, as the Workspace API shows them: groups, users with their availability, queues; and what can be asked for them. */

import { teamPaths } from '../lib/team-paths'
import { ask, mapped, type DeskAnswer, type OperationBody } from './workspace'
import { fieldOf, listOf, textOf } from './workspace-shapes'

export const MEMBER_STATES = ['ready', 'talking', 'onHold', 'ringing', 'afterCallWork', 'notReady', 'unknown', 'loggedOut'] as const
export type MemberState = (typeof MEMBER_STATES)[number]

export type TeamGroup = { readonly id: string; readonly name: string }

export type TeamMember = {
  /** The `dbid`. */
  readonly id: string
  readonly userName: string
  readonly name: string
  /** The DN at which they work; empty where that is not known. */
  readonly number: string
  readonly state: MemberState
  readonly reason: string
  /** In milliseconds since 1970, by the browser's clock; undefined where it is not told. */
  readonly since: number | undefined
}

export type TeamQueue = { readonly key: string; readonly name: string; readonly waiting: number }

/** Some people, of so many. `isPart` where those who are at work are not all among them. */
export type Members = { readonly members: readonly TeamMember[]; readonly all: number; readonly isPart: boolean }

/** More people than that nobody looks at: a group or a state is chosen, or somebody looked for. */
export const MEMBERS_MAX = 100
/** Among more than that the server does not look for those in a state. */
const LOOKED_AT_MAX = 500
/** As the API names them: who talks is in one of them. */
const AT_WORK = 'Ready,NotReady'
const OUT = 'LoggedOut'
/** There are too many for the server to look at, or it does not know how they are. */
const NOT_BY_STATE = [400, 503]
const QUEUES_MAX = 50

export async function readGroups(): Promise<DeskAnswer<readonly TeamGroup[]>> {
  return mapped(await ask('GET', teamPaths.groups()), groupsIn)
}

/** The agents of a group, or of all, whose names have that in them and who are at work, with where they are now; where that cannot be told, those whose names come first. */
export async function readMembers(group: string, term: string): Promise<DeskAnswer<Members>> {
  const atWork = await ask('GET', teamPaths.users(group, term, LOOKED_AT_MAX, AT_WORK))
  if (atWork.kind === 'ok' || atWork.failure.kind !== 'refused' || !NOT_BY_STATE.includes(atWork.failure.status)) return mapped(atWork, (data) => membersIn(data, Date.now()))
  return mapped(await ask('GET', teamPaths.users(group, term, MEMBERS_MAX, '')), (data) => ({ ...membersIn(data, Date.now()), isPart: true }))
}

/** Those of them who are logged out. */
export async function readLoggedOut(group: string, term: string): Promise<DeskAnswer<Members>> {
  return mapped(await ask('GET', teamPaths.users(group, term, MEMBERS_MAX, OUT)), (data) => membersIn(data, Date.now()))
}

export async function readQueues(): Promise<DeskAnswer<readonly TeamQueue[]>> {
  return mapped(await ask('GET', teamPaths.queues(QUEUES_MAX)), queuesIn)
}

/** Sets somebody ready or not ready, or logs them out. */
export function operateMember(user: string, operation: 'ready' | 'not-ready' | 'logout', body: OperationBody): Promise<DeskAnswer<unknown>> {
  return ask('POST', teamPaths.operate(user, operation), body)
}

// === answers ===

/** Those that may be watched, where that is told; else all. */
export function groupsIn(data: unknown): readonly TeamGroup[] {
  const of = (name: string): readonly TeamGroup[] => listOf(data, name).map((one) => ({ id: textOf(one, 'DBID') || textOf(one, 'id'), name: textOf(one, 'name') })).filter(({ id, name: called }) => id !== '' && called !== '')
  const watched = of('monitorableAgentGroups')
  return watched.length > 0 ? watched : of('agentGroups')
}

/** `at` is the moment of the answer. Those at work come first. */
export function membersIn(data: unknown, at: number): Members {
  const members = listOf(data, 'users').flatMap((one) => memberIn(one, at) ?? [])
  const order = ({ state }: TeamMember): number => Number(state === 'loggedOut')
  const sorted = [...members].sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name))
  return { members: sorted, all: Math.max(Number(textOf(data, 'totalMatches')) || 0, members.length), isPart: false }
}

function memberIn(value: unknown, at: number): TeamMember | undefined {
  const [id, userName] = [textOf(value, 'dbid') || textOf(value, 'DBID') || textOf(value, 'id'), textOf(value, 'userName')]
  if (id === '') return undefined
  const name = [textOf(value, 'firstName'), textOf(value, 'lastName')].filter(Boolean).join(' ') || textOf(value, 'name') || userName || id
  const availability = fieldOf(value, 'availability')
  const voice = listOf(availability, 'channels').find((one) => textOf(one, 'name') === 'voice')
  const seconds = fieldOf(voice, 'timeInCurrentState')
  return {
    id,
    userName,
    name,
    number: textOf(voice, 'phoneNumber') || textOf(value, 'number'),
    // Without an availability nobody knows it; without a channel of voice somebody is logged out.
    state: availability === undefined ? 'unknown' : stateIn(voice),
    reason: textOf(fieldOf(voice, 'userState'), 'reason'),
    since: typeof seconds === 'number' && seconds >= 0 ? at - seconds * 1_000 : undefined,
  }
}

function stateIn(voice: unknown): MemberState {
  if (voice === undefined) return 'loggedOut'
  const activity = textOf(voice, 'activity')
  if (activity === 'ReceivingCall') return 'ringing'
  if (activity === 'CallOnHold') return 'onHold'
  if (activity === 'InitiatingCall' || /^Handling\w+Call$/.test(activity)) return 'talking'
  const user = fieldOf(voice, 'userState')
  switch (textOf(user, 'state')) {
    case 'Ready':
      return 'ready'
    case 'NotReady':
    case 'LoggedIn':
      return textOf(user, 'workMode') === 'AfterCallWork' ? 'afterCallWork' : 'notReady'
    case '':
    case 'LoggedOut':
    case 'LoggedOff':
    case 'Logout':
      return 'loggedOut'
    default:
      return 'unknown'
  }
}

export function queuesIn(data: unknown): readonly TeamQueue[] {
  const queues = listOf(data, 'targets').flatMap((one) => {
    const [name, waiting] = [textOf(one, 'name') || textOf(one, 'number'), fieldOf(fieldOf(one, 'availability'), 'waitingCalls')]
    // A queue and a route point may have one name.
    return name === '' || typeof waiting !== 'number' ? [] : [{ key: `${textOf(one, 'type')} ${textOf(one, 'DBID') || name}`, name, waiting }]
  })
  return [...queues].sort((a, b) => b.waiting - a.waiting || a.name.localeCompare(b.name))
}

/** The members with the begins of before, where only a clock that is a little off says otherwise. */
export function steady(before: Members | undefined, now: Members): Members {
  const was = new Map(before?.members.map((member) => [member.id, member]))
  const kept = (member: TeamMember): TeamMember => {
    const since = was.get(member.id)?.state === member.state ? was.get(member.id)?.since : undefined
    return since !== undefined && member.since !== undefined && Math.abs(since - member.since) < OFF_MS ? { ...member, since } : member
  }
  return { ...now, members: now.members.map(kept) }
}

const OFF_MS = 2_500
