/**
 * Open CTI and the desktop, each told in the words of the other. Nothing here touches a window: what has happened goes in, and what is to be
 * done comes out. The methods and their parameters are those of Open CTI for Lightning Experience.
 */

import { DIAL, fieldsOf, HELLO, textOf, type DeskCall, type DeskMessage } from './desk-messages'
import { changedLog, isLogged, isOver, newCall, seen, taskOf, type FollowedCall } from './followed-call'
import { wordsIn, type Said, type Words } from './words'

/** The data of a call by which it stays with the record from which its number was called. */
export const RECORD = 'SalesforceRecordId'
/** Keys of the data, with commas between, of which the first that a call has is looked for in the place of the caller's number. */
const POP_KEYS = 'salesforce.screen-pop.keys'
/** Calls that are followed; a desk has fewer. */
const CALLS_MAX = 50

/** `offline`: somebody is at work, and the desktop does not hear from the server. */
export type Phase = 'waiting' | 'refused' | 'away' | 'offline' | 'at-work'

export type Translation = {
  /** The origin of the org around. */
  readonly org: string
  readonly phase: Phase
  /** In which the calls are logged. */
  readonly words: Words
  readonly settings: Readonly<Record<string, string>>
  /** By the id of the call at the desktop. */
  readonly calls: ReadonlyMap<string, FollowedCall>
}

export type Happened =
  | { readonly kind: 'desk'; readonly message: DeskMessage; readonly at: number }
  /** The window of the desktop is closed. */
  | { readonly kind: 'closed' }
  /** The desktop has said nothing of the number that it was to call. */
  | { readonly kind: 'unanswered' }
  /** Somebody has pressed a number in the org. */
  | { readonly kind: 'clicked'; readonly payload: unknown }
  /** What a search for that call has found. */
  | { readonly kind: 'found'; readonly call: string; readonly answer: unknown }
  /** What became of the log of that call. */
  | { readonly kind: 'saved'; readonly call: string; readonly answer: unknown }
  /** The agent looks at something else. */
  | { readonly kind: 'looked'; readonly payload: unknown }

export type Action =
  | { readonly to: 'desk'; readonly id: string; readonly method: string; readonly params: Readonly<Record<string, unknown>> }
  | { readonly to: 'org'; readonly method: OrgMethod; readonly params: Readonly<Record<string, unknown>>; readonly call: string }
  | { readonly to: 'agent'; readonly says: Said }

export type OrgMethod = 'enableClickToDial' | 'disableClickToDial' | 'setSoftphonePanelVisibility' | 'searchAndScreenPop' | 'screenPop' | 'saveLog'

export type Translated = readonly [Translation, readonly Action[]]

export const newTranslation = (org: string, words = wordsIn('en')): Translation => ({ org, words, phase: 'waiting', settings: {}, calls: new Map() })

export function translated(before: Translation, happened: Happened): Translated {
  switch (happened.kind) {
    case 'desk':
      return heard(before, happened.message, happened.at)
    case 'closed':
      // Calls go on at the phone: whoever opens the desktop again hears what has become of them.
      return [{ ...before, phase: 'waiting' }, before.phase === 'at-work' ? [org('disableClickToDial')] : []]
    case 'unanswered':
      return [before, [{ to: 'agent', says: 'unanswered' }]]
    case 'clicked':
      return [before, clicked(before, happened.payload)]
    case 'found':
      return [changed(before, happened.call, (call) => ({ ...call, ...recordsOf(happened.answer) })), []]
    case 'saved':
      return saved(before, happened.call, fieldsOf(happened.answer))
    case 'looked':
      return [looked(before, textOf(fieldsOf(happened.payload)['recordId'])), []]
  }
}

const org = (method: OrgMethod, params: Readonly<Record<string, unknown>> = {}, call = ''): Action => ({ to: 'org', method, params, call })
const SHOWN = org('setSoftphonePanelVisibility', { visible: true })

// === what the desktop says ===

function heard(before: Translation, message: DeskMessage, at: number): Translated {
  if (message.kind === 'here') return [before, [{ to: 'desk', id: HELLO, method: 'hello', params: {} }]]
  if (message.kind === 'hello') return begun(before, message, at)
  // Before it is known that the tenant lets the org in, nothing is told to the org.
  if (before.phase === 'waiting' || before.phase === 'refused') return [before, []]
  switch (message.kind) {
    case 'agent':
      return inPhase(before, message.isAtWork ? 'at-work' : 'away')
    case 'connection':
      // Who is at work then is asked once it is heard again.
      if (!message.isLost) return before.phase === 'offline' ? [before, [{ to: 'desk', id: HELLO, method: 'hello', params: {} }]] : [before, []]
      return before.phase === 'at-work' ? inPhase(before, 'offline') : [before, []]
    case 'dialled':
      return [before, message.error === '' ? [] : [{ to: 'agent', says: message.error === 'wrong-params' ? 'wrong-number' : 'not-dialled' }]]
    case 'call':
      return shown(before, message.call, message.change === 'new', at)
    case 'gone':
      return ended(before, message.id, at)
  }
}

function begun(before: Translation, { origins, settings, isAtWork, isLost, calls }: DeskMessage & { readonly kind: 'hello' }, at: number): Translated {
  if (!origins.includes(before.org)) return [{ ...newTranslation(before.org, before.words), phase: 'refused' }, [...(before.phase === 'at-work' ? [org('disableClickToDial')] : []), { to: 'agent', says: 'refused' }]]
  let [now, actions] = inPhase({ ...before, settings }, !isAtWork ? 'away' : isLost ? 'offline' : 'at-work')
  const take = ([next, further]: Translated): void => {
    now = next
    actions = [...actions, ...further]
  }
  const ids = new Set(calls.map(({ id }) => id))
  for (const id of before.calls.keys()) if (!ids.has(id)) take(ended(now, id, at))
  for (const call of calls) {
    // What rings is popped; whoever talks already has been. What is over already was logged by the page that stood here before.
    if (before.calls.has(call.id) || before.calls.has(call.previous) || call.state === 'Ringing') take(shown(now, call, true, at))
    else if (!isOver(call)) take(shown(now, call, false, call.since ?? at))
  }
  return [now, actions]
}

function inPhase(before: Translation, phase: Phase): Translated {
  if (phase === before.phase) return [before, []]
  const now = { ...before, phase }
  return phase === 'at-work' ? [now, [org('enableClickToDial')]] : [now, [...(before.phase === 'at-work' ? [org('disableClickToDial')] : []), { to: 'agent', says: phase === 'offline' ? 'offline' : 'away' }]]
}

function shown(before: Translation, call: DeskCall, isNew: boolean, at: number): Translated {
  // After a transfer or conference it goes on under another id.
  const known = before.calls.get(call.id) ?? before.calls.get(call.previous)
  const next = seen(known ?? newCall(call, recordIn(call)), call, at)
  const calls = new Map([...before.calls].filter(([id]) => id !== call.previous)).set(call.id, next)
  // The oldest go first.
  for (const id of [...calls.keys()].slice(0, Math.max(0, calls.size - CALLS_MAX))) calls.delete(id)
  const now = { ...before, calls }
  const pops = known === undefined && isNew && call.type === 'Inbound' ? popped(before.settings, next) : []
  const rings = known === undefined && call.state === 'Ringing' && pops.length === 0 ? [SHOWN] : []
  const [after, logs] = logged(now, call.id, at)
  return [after, [...pops, ...rings, ...logs]]
}

function popped(settings: Readonly<Record<string, string>>, { call, record }: FollowedCall): readonly Action[] {
  if (record !== '') return [SHOWN, org('screenPop', { type: 'SOBJECT', params: { recordId: record } }, call.id)]
  const keys = (settings[POP_KEYS] ?? '').split(',').map((key) => key.trim())
  const searchParams = keys.map((key) => (call.data[key] ?? '').trim()).find((value) => value !== '') ?? call.number
  return searchParams === '' ? [SHOWN] : [SHOWN, org('searchAndScreenPop', { searchParams, queryParams: '', callType: 'INBOUND', deferred: false }, call.id)]
}

/** Logs a call that has ended and is still to be seen, so that it is logged whatever becomes of the page. */
function logged(before: Translation, id: string, at: number): Translated {
  const followed = before.calls.get(id)
  if (followed === undefined || followed.log.state !== 'none' || !isOver(followed.call) || !isLogged(followed)) return [before, []]
  return saving(before, id, followed, at)
}

function saving(before: Translation, id: string, followed: FollowedCall, at: number): Translated {
  const task = taskOf(followed, before.settings, before.words, at)
  const next = { ...followed, log: { ...followed.log, state: 'saving' as const, told: JSON.stringify(task) } }
  const value = { entityApiName: 'Task', ...(followed.log.id === '' ? { TaskSubtype: 'Call' } : { Id: followed.log.id }), ...task }
  return [{ ...before, calls: new Map(before.calls).set(id, next) }, [org('saveLog', { value }, id)]]
}

/** The call is at the desktop no more: with that the agent has said what came of it. */
function ended(before: Translation, id: string, at: number): Translated {
  const known = before.calls.get(id)
  if (known === undefined) return [before, []]
  const followed = { ...known, endedAt: known.endedAt ?? at, isGone: true }
  if (!isLogged(followed)) return [without(before, id), []]
  return updated({ ...before, calls: new Map(before.calls).set(id, followed) }, id, at)
}

/** Brings the log of a call that is gone up to date, once what was saved before is known; then the call is forgotten. */
function updated(before: Translation, id: string, at: number): Translated {
  const followed = before.calls.get(id)
  if (followed === undefined || !followed.isGone || followed.log.state === 'saving') return [before, []]
  return followed.log.state === 'none' || changedLog(followed, before.settings, before.words, at) ? saving(before, id, followed, at) : [without(before, id), []]
}

function saved(before: Translation, id: string, { success, returnValue }: Readonly<Record<string, unknown>>): Translated {
  const followed = before.calls.get(id)
  if (followed === undefined) return [before, success === true ? [] : [{ to: 'agent', says: 'not-saved' }]]
  const record = recordId(fieldsOf(returnValue)['recordId']) || followed.log.id
  // A log that has failed is tried once more when the agent has wrapped the call up, and told each time.
  if (success !== true) return [followed.isGone ? without(before, id) : changed(before, id, (call) => ({ ...call, log: { ...call.log, state: 'failed' as const } })), [{ to: 'agent', says: 'not-saved' }]]
  return updated(changed(before, id, (call) => ({ ...call, log: { ...call.log, state: 'saved' as const, id: record } })), id, followed.endedAt ?? 0)
}

function changed(before: Translation, id: string, change: (call: FollowedCall) => FollowedCall): Translation {
  const followed = before.calls.get(id)
  return followed === undefined ? before : { ...before, calls: new Map(before.calls).set(id, change(followed)) }
}

const without = (before: Translation, id: string): Translation => ({ ...before, calls: new Map([...before.calls].filter(([other]) => other !== id)) })

// === what the org says ===

function clicked({ phase }: Translation, payload: unknown): readonly Action[] {
  const { number, recordId: record } = fieldsOf(payload)
  if (phase !== 'at-work') return [SHOWN, { to: 'agent', says: phase === 'offline' ? 'offline' : 'not-at-work' }]
  if (textOf(number) === '') return [SHOWN, { to: 'agent', says: 'wrong-number' }]
  const data = recordId(record) === '' ? {} : { [RECORD]: recordId(record) }
  return [SHOWN, { to: 'desk', id: DIAL, method: 'dial', params: { number: textOf(number), data } }]
}

/** Of several records that a search has found, the agent chooses by looking at one. */
function looked(before: Translation, record: string): Translation {
  const calls = new Map([...before.calls].map(([id, call]) => [id, call.found.includes(record) ? { ...call, record } : call]))
  return { ...before, calls }
}

/** The records of an answer to a search; the one that there is alone is that of the call. */
function recordsOf(answer: unknown): { readonly found: readonly string[]; readonly record?: string } {
  const { success, returnValue } = fieldsOf(answer)
  const found = success === true ? Object.keys(fieldsOf(returnValue)).filter((key) => recordId(key) !== '') : []
  const [only, ...others] = found
  return only !== undefined && others.length === 0 ? { found, record: only } : { found }
}

const recordIn = ({ data }: DeskCall): string => recordId(data[RECORD])

/** Ids of records have 15 or 18 letters and digits. Empty for what is none. */
const recordId = (value: unknown): string => (/^[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?$/.test(textOf(value)) ? textOf(value) : '')
