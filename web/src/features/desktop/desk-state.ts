/** An agent's desk: what has come in makes of it what is shown. Nothing is asked for here. */

import type { DeskFailure } from '../../api/workspace'
import type { DeskMessage } from '../../api/workspace-messages'
import type { StatisticValues } from '../../api/workspace-reporting'
import type { Call, Configuration, SessionShown, User } from '../../api/workspace-shapes'
import { assertNever } from '../../lib/assert-never'
import { continues, isOver, missedBetween, type Missed, type Picture } from './missed'
import type { Operation } from './operations'

export type Phase =
  /** `lost`: the desk was at work, and its session is over. */
  | { readonly kind: 'beginning'; readonly from: 'begin' | 'lost' }
  | { readonly kind: 'not-begun'; readonly why: Why }
  /** Nobody is logged in. */
  | { readonly kind: 'choosing'; readonly from: 'begin' | 'lost' }
  | { readonly kind: 'activating'; readonly operation: string }
  | { readonly kind: 'working' }
  /** The agent has logged out. */
  | { readonly kind: 'left' }

export type Connection =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  /** `isReplaced`: other tabs listen in its place, until somebody wants this one to. */
  | { readonly kind: 'lost'; readonly isReplaced?: boolean }
  /** The session is read; what is told meanwhile may be newer than it. */
  | { readonly kind: 'reading'; readonly heard: readonly DeskMessage[] }

/** Why something did not work. */
export type Why = DeskFailure | { readonly kind: 'error'; readonly code: number; readonly why: string }

export type Trouble = { readonly number: number; readonly what: Operation | undefined; readonly about: string; readonly why: Why }

/** `about` names somebody else, or another call, that it is about; none for what is of the agent. */
export type Asked = { readonly id: string; readonly what: Operation; readonly about?: string }

/** Since when nothing is heard, what was shown then, and which calls were told of since. */
type Away = { readonly since: number; readonly before: Picture; readonly rang: readonly Call[] }

export type DeskState = Picture & {
  readonly phase: Phase
  readonly connection: Connection
  readonly user: User | undefined
  readonly configuration: Configuration | undefined
  /** The id of the call that is shown whole; empty without one. */
  readonly selected: string
  /** The call in whose data the agent is writing; empty for none. */
  readonly writing: string
  /** Whether calls can be controlled. */
  readonly isVoiceThere: boolean
  readonly asked: readonly Asked[]
  readonly troubles: readonly Trouble[]
  readonly away: Away | undefined
  readonly missed: readonly Missed[]
  /** What is counted of the agent and of queues, as it came last. */
  readonly numbers: StatisticValues
}

export type DeskInput =
  | { readonly kind: 'message'; readonly message: DeskMessage }
  | { readonly kind: 'session'; readonly session: SessionShown }
  | { readonly kind: 'configured'; readonly configuration: Configuration }
  | { readonly kind: 'reading' }
  | { readonly kind: 'lost'; readonly at: number; readonly isReplaced?: boolean }
  /** There is no session any more. */
  | { readonly kind: 'ended' }
  | { readonly kind: 'not-begun'; readonly why: Why }
  | { readonly kind: 'asked'; readonly asked: Asked }
  | { readonly kind: 'refused'; readonly id: string; readonly why: Why }
  | { readonly kind: 'select'; readonly call: string }
  | { readonly kind: 'writing'; readonly call: string }
  | { readonly kind: 'dismiss'; readonly number: number }
  | { readonly kind: 'seen' }
  | { readonly kind: 'left' }

export const NEW_DESK: DeskState = {
  phase: { kind: 'beginning', from: 'begin' },
  connection: { kind: 'connecting' },
  user: undefined,
  configuration: undefined,
  dn: undefined,
  calls: [],
  selected: '',
  writing: '',
  isVoiceThere: true,
  asked: [],
  troubles: [],
  away: undefined,
  missed: [],
  numbers: {},
}

const ASKED_MAX = 50
const TROUBLES_MAX = 4
const MISSED_MAX = 20
const HEARD_MAX = 1_000
const RANG_MAX = 20

/** The desk after an input. */
export function after(state: DeskState, input: DeskInput): DeskState {
  switch (input.kind) {
    case 'message':
      return heard(noted(state, input.message), input.message)
    case 'session':
      return shown(state, input.session)
    case 'configured':
      return { ...state, configuration: input.configuration }
    case 'reading':
      return { ...state, connection: { kind: 'reading', heard: [] } }
    case 'lost': {
      const away = state.away ?? { since: input.at, before: { dn: state.dn, calls: state.calls }, rang: [] }
      return { ...state, connection: { kind: 'lost', isReplaced: input.isReplaced === true }, away }
    }
    case 'ended':
      return { ...NEW_DESK, user: state.user, configuration: state.configuration, troubles: state.troubles, phase: { kind: 'beginning', from: state.phase.kind === 'working' ? 'lost' : 'begin' } }
    case 'not-begun':
      return { ...state, phase: { kind: 'not-begun', why: input.why } }
    case 'asked':
      return asked(state, input.asked)
    case 'refused':
      return troubled(state, input.id, input.why)
    case 'select':
      return state.calls.some(({ id }) => id === input.call) ? { ...state, selected: input.call } : state
    case 'writing':
      return state.writing === input.call ? state : { ...state, writing: input.call }
    case 'dismiss':
      return { ...state, troubles: state.troubles.filter(({ number }) => number !== input.number) }
    case 'seen':
      return { ...state, missed: [] }
    case 'left':
      return { ...NEW_DESK, user: state.user, configuration: state.configuration, phase: { kind: 'left' } }
    default:
      return assertNever(input)
  }
}

// === what is told ===

/** What has to be known of a message besides what it says: whether it may be newer than the session that is read, and which calls rang meanwhile. */
function noted(state: DeskState, message: DeskMessage): DeskState {
  const { connection, away } = state
  const later: Connection = connection.kind === 'reading' ? { kind: 'reading', heard: [...connection.heard, message].slice(-HEARD_MAX) } : connection
  if (away === undefined || message.kind !== 'call' || away.rang.some(({ id }) => id === message.call.id)) return { ...state, connection: later }
  const rang = message.call.phase === 'Ringing' ? [...away.rang, message.call].slice(-RANG_MAX) : away.rang
  return { ...state, connection: later, away: { ...away, rang } }
}

function heard(state: DeskState, message: DeskMessage): DeskState {
  switch (message.kind) {
    case 'begun':
      return { ...state, user: message.user, configuration: message.configuration, phase: state.phase.kind === 'beginning' ? { kind: 'choosing', from: state.phase.from } : state.phase }
    case 'not-begun':
      return { ...state, phase: { kind: 'not-begun', why: { kind: 'error', code: 0, why: message.why } } }
    case 'dn': {
      const isOurs = message.dn.agent !== '' && ['beginning', 'choosing', 'activating'].includes(state.phase.kind)
      return { ...state, dn: message.dn, phase: isOurs ? { kind: 'working' } : state.phase }
    }
    case 'call':
      return withCall(state, message.call)
    case 'error':
      return troubled(state, message.operation, { kind: 'error', code: message.code, why: message.why })
    case 'voice':
      return { ...state, isVoiceThere: message.isThere }
    case 'numbers':
      return { ...state, numbers: { ...state.numbers, ...message.values } }
    default:
      return assertNever(message)
  }
}

function withCall(state: DeskState, call: Call): DeskState {
  const before = state.calls.find((one) => continues(call, one))
  const rest = state.calls.filter((one) => one !== before)
  const isKnown = rest.some(({ id }) => id === call.id)
  const stays = !isOver(call) || isForWrapUp(call, state.calls.find(({ id }) => id === call.id) ?? before)
  const isNew = !isKnown && before === undefined
  // A call whose beginning was never told is not shown for its end.
  if (!stays || (isNew && isOver(call))) return selecting({ ...state, calls: rest.filter(({ id }) => id !== call.id) }, call)
  const calls = isKnown ? rest.map((one) => (one.id === call.id ? call : one)) : [...rest, call]
  const kept = (id: string): string => (before?.id === id ? call.id : id)
  return selecting({ ...state, calls, selected: kept(state.selected), writing: kept(state.writing) }, isNew ? call : undefined)
}

/** Whether a call that is over stays until the agent is done with it: they have talked, and it was no question to a colleague. */
function isForWrapUp(call: Call, before: Call | undefined): boolean {
  const hasTalked = before !== undefined && !['Ringing', 'Dialing'].includes(before.phase)
  return call.phase === 'Released' && call.capabilities.includes('complete') && call.type !== 'Consult' && hasTalked
}

/** Which call is shown whole: the one that was chosen, as long as it is there; a call of the agent's own at once. */
function selecting(state: DeskState, changed: Call | undefined): DeskState {
  const { calls, selected, writing } = state
  const shown = calls.find(({ id }) => id === selected)
  if (changed?.phase === 'Dialing' && calls.includes(changed)) return { ...state, selected: changed.id }
  // What is written in does not go from under the hands.
  if (shown !== undefined && !(isOver(shown) && shown.id !== writing && changed !== undefined && calls.includes(changed))) return state
  const of = (...phases: readonly string[]): Call | undefined => calls.find(({ phase }) => phases.includes(phase))
  const next = calls.find(({ id }) => id === changed?.parent) ?? of('Ringing') ?? of('Established', 'Dialing') ?? of('Held') ?? calls.at(-1)
  return { ...state, selected: next?.id ?? '' }
}

/** The session as it was read; what was told since the question is taken again, for it may be newer. */
function shown(state: DeskState, session: SessionShown): DeskState {
  const { active } = session
  const held = state.connection.kind === 'reading' ? state.connection.heard : []
  const read: DeskState = {
    ...state,
    connection: { kind: 'live' },
    user: session.user,
    configuration: session.configuration ?? state.configuration,
    dn: active?.dn,
    calls: active?.calls.filter((call) => !isOver(call) || isForWrapUp(call, call.isUnanswered ? undefined : call)) ?? [],
    isVoiceThere: active?.isVoiceThere ?? true,
    phase: phaseOf(state.phase, session),
  }
  const now = held.reduce(heard, selecting(read, undefined))
  const { away } = state
  if (away === undefined) return now
  const missed = state.phase.kind === 'working' ? missedBetween(away.before, now, away.rang) : []
  return { ...now, away: undefined, missed: [...state.missed, ...missed].slice(-MISSED_MAX) }
}

function phaseOf(before: Phase, { active, beginning }: SessionShown): Phase {
  if (active !== undefined) return { kind: 'working' }
  if (beginning === 'Failed') return before.kind === 'not-begun' ? before : { kind: 'not-begun', why: { kind: 'error', code: 0, why: '' } }
  if (beginning !== '') return before.kind === 'beginning' ? before : { kind: 'beginning', from: 'begin' }
  if (before.kind === 'activating' || before.kind === 'choosing') return before
  return { kind: 'choosing', from: before.kind === 'working' ? 'lost' : before.kind === 'beginning' ? before.from : 'begin' }
}

// === what is asked ===

function asked(state: DeskState, ask: Asked): DeskState {
  const phase: Phase = ask.what === 'activate' ? { kind: 'activating', operation: ask.id } : state.phase
  // What went wrong before is over once it is tried again.
  const troubles = state.troubles.filter(({ what, about }) => what !== ask.what || about !== (ask.about ?? ''))
  return { ...state, phase, troubles, asked: [...state.asked, ask].slice(-ASKED_MAX) }
}

/** Something that was asked for, or that nobody here has asked for, has failed. */
function troubled(state: DeskState, id: string, why: Why): DeskState {
  const ask = state.asked.find((one) => one.id === id)
  // Another tab says what has become of what it has asked for.
  if (ask === undefined && id !== '') return state
  const number = (state.troubles.at(-1)?.number ?? 0) + 1
  const phase: Phase = state.phase.kind === 'activating' && state.phase.operation === id ? { kind: 'choosing', from: 'begin' } : state.phase
  return { ...state, phase, asked: state.asked.filter((one) => one !== ask), troubles: [...state.troubles, { number, what: ask?.what, about: ask?.about ?? '', why }].slice(-TROUBLES_MAX) }
}
