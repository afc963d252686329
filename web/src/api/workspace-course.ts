/** What calls have come through, and those that wait, as our Workspace API tells it. */

import { coursePaths } from '../lib/course-paths'
import { ask, mapped, type DeskAnswer, type OperationBody } from './workspace'
import { fieldOf, listOf, textOf } from './workspace-shapes'

export const STEP_KINDS = ['routePoint', 'treatment', 'queue', 'notTaken', 'phone'] as const

/** An agent who was not chosen, or cannot be; `why` is empty where nothing keeps them from the call. */
export type PassedOver = { readonly agent: string; readonly why: string }

/** A skill that was asked for, with the agent's level. */
export type MatchedSkill = { readonly skill: string; readonly level: number }

export type Chosen = {
  readonly agent: string
  /** The queue from which the call was given to the agent. */
  readonly queue: string
  readonly rule: string
  readonly passedOver: readonly PassedOver[]
  readonly more: number
  readonly waiting: number
  readonly skills: readonly MatchedSkill[]
  /** For how long the agent could have taken a call, and the call had waited; undefined where it is not told. */
  readonly readyForMs: number | undefined
  readonly waitedMs: number | undefined
}

export type CourseStep = {
  readonly kind: (typeof STEP_KINDS)[number]
  readonly name: string
  /** In milliseconds since 1970, by the server's clock. */
  readonly at: number
  /** Undefined while it goes on. */
  readonly durationMs: number | undefined
  readonly result: string
  /** How many keys were pressed, and which ones, where that is told. */
  readonly keyCount: number
  readonly keys: string
  readonly chosen: Chosen | undefined
}

export type Course = { readonly steps: readonly CourseStep[]; readonly leftOut: number; readonly isWhole: boolean }

export type WaitingCall = {
  readonly id: string
  readonly number: string
  readonly dialled: string
  readonly routePoint: string
  readonly queues: readonly string[]
  /** In milliseconds since 1970, by the browser's clock. */
  readonly since: number
}

export type WaitingCalls = { readonly calls: readonly WaitingCall[]; readonly all: number }

export type WaitingRequest = {
  readonly asksFor: string
  readonly priority: number
  /** Some of those who have the skills. */
  readonly agents: readonly PassedOver[]
  /** All of them, by what keeps them from it: nothing where `why` is empty. */
  readonly reasons: readonly { readonly why: string; readonly many: number }[]
  readonly withoutSkills: number
}

export type ExplainedWait = { readonly call: WaitingCall; readonly course: Course; readonly requests: readonly WaitingRequest[] }

/** What a call at the own phone has come through. */
export async function readCourse(call: string): Promise<DeskAnswer<Course>> {
  return mapped(await ask('GET', coursePaths.course(call)), courseIn)
}

export async function readWaiting(): Promise<DeskAnswer<WaitingCalls>> {
  return mapped(await ask('GET', coursePaths.waiting()), (data) => waitingIn(data, Date.now()))
}

export async function readWhy(call: string): Promise<DeskAnswer<ExplainedWait>> {
  return mapped(await ask('GET', coursePaths.why(call)), (data) => whyIn(data, Date.now()))
}

/** Sends a call that waits elsewhere. */
export function moveWaiting(call: string, body: OperationBody): Promise<DeskAnswer<unknown>> {
  return ask('POST', coursePaths.move(call), body)
}

// === answers ===

const numberOf = (value: unknown, name: string): number => Math.max(0, Number(textOf(value, name)) || 0)

export function courseIn(data: unknown): Course {
  return { steps: listOf(data, 'steps').flatMap((one) => stepIn(one) ?? []), leftOut: numberOf(data, 'leftOut'), isWhole: fieldOf(data, 'isWhole') === true }
}

function stepIn(value: unknown): CourseStep | undefined {
  const kind = STEP_KINDS.find((known) => known === textOf(value, 'kind'))
  if (kind === undefined) return undefined
  const [duration, chosen] = [fieldOf(value, 'duration'), fieldOf(value, 'chosen')]
  return {
    kind,
    name: textOf(value, 'name'),
    at: numberOf(value, 'beganAt'),
    durationMs: typeof duration === 'number' ? duration : undefined,
    result: textOf(value, 'result'),
    keyCount: numberOf(value, 'keyCount'),
    keys: textOf(value, 'keys'),
    chosen: chosen === undefined || chosen === null ? undefined : chosenIn(chosen, textOf(value, 'name')),
  }
}

function chosenIn(value: unknown, queue: string): Chosen {
  const told = (name: string): number | undefined => (typeof fieldOf(value, name) === 'number' ? numberOf(value, name) : undefined)
  return {
    agent: textOf(value, 'agent'),
    queue,
    rule: textOf(value, 'rule'),
    passedOver: passedOverIn(value, 'passedOver'),
    more: numberOf(value, 'more'),
    waiting: numberOf(value, 'waiting'),
    skills: listOf(value, 'skills').map((one) => ({ skill: textOf(one, 'skill'), level: numberOf(one, 'level') })).filter(({ skill }) => skill !== ''),
    readyForMs: told('readyFor'),
    waitedMs: told('waited'),
  }
}

function passedOverIn(value: unknown, name: string): readonly PassedOver[] {
  return listOf(value, name).map((one) => ({ agent: textOf(one, 'agent'), why: textOf(one, 'why') })).filter(({ agent }) => agent !== '')
}

const reasonsIn = (request: unknown): WaitingRequest['reasons'] => listOf(request, 'reasons').map((one) => ({ why: textOf(one, 'why'), many: numberOf(one, 'agents') })).filter(({ many }) => many > 0)

/** `at` is the moment of the answer. */
export function waitingIn(data: unknown, at: number): WaitingCalls {
  const calls = listOf(data, 'calls').flatMap((one) => waitingCallIn(one, at) ?? [])
  return { calls, all: Math.max(numberOf(data, 'totalMatches'), calls.length) }
}

function waitingCallIn(value: unknown, at: number): WaitingCall | undefined {
  const id = textOf(value, 'id')
  if (id === '') return undefined
  const queues = listOf(value, 'queues').filter((one) => typeof one === 'string')
  return { id, number: textOf(value, 'ani'), dialled: textOf(value, 'dnis'), routePoint: textOf(value, 'routePoint'), queues, since: at - numberOf(value, 'waiting') * 1_000 }
}

export function whyIn(data: unknown, at: number): ExplainedWait {
  const call = waitingCallIn(fieldOf(data, 'call'), at) ?? { id: '', number: '', dialled: '', routePoint: '', queues: [], since: at }
  const requests = listOf(data, 'requests').map((one) => ({ asksFor: textOf(one, 'asksFor'), priority: Number(textOf(one, 'priority')) || 0, agents: passedOverIn(one, 'agents'), reasons: reasonsIn(one), withoutSkills: numberOf(one, 'withoutSkills') }))
  return { call, course: courseIn(fieldOf(data, 'course')), requests }
}
