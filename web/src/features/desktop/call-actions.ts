/** What can be done with a call, in the order in which it is shown. */

import type { Call } from '../../api/workspace-shapes'
import type { Operation } from './operations'

export type CallAction =
  /** Done at once; `data` is what it needs besides the call. */
  | { readonly kind: 'do'; readonly operation: Operation; readonly keys: string; readonly tone: 'plain' | 'main' | 'danger'; readonly data: Readonly<Record<string, string>> }
  /** Asks for a number first. */
  | { readonly kind: 'ask'; readonly operation: Operation; readonly keys: string; readonly hint: 'consult' | 'transfer' | 'redirect' }
  | { readonly kind: 'keypad'; readonly keys: string }
  /** Asks who is to leave a conference. */
  | { readonly kind: 'drop'; readonly keys: string; readonly numbers: readonly string[] }
  /** Asks where the call waits. */
  | { readonly kind: 'park'; readonly keys: string }

const OBSERVER = 'RoleObserver'

const act = (operation: Operation, keys: string, data: Readonly<Record<string, string>> = {}, tone: 'plain' | 'main' | 'danger' = 'plain'): CallAction => ({ kind: 'do', operation, keys, tone, data })

/** Those that the server offers for it. Two keys for what cannot be taken back. `parkCode` is dialled before a park slot; empty where nobody parks. */
export function actionsOf(call: Call, calls: readonly Call[], parkCode = ''): readonly CallAction[] {
  const may = (operation: string): boolean => call.capabilities.includes(operation)
  const when = (operation: string, action: CallAction): readonly CallAction[] => (may(operation) ? [action] : [])
  const other = otherOf(call, calls)
  const beside = (operation: string, action: (id: string) => CallAction): readonly CallAction[] => (other !== undefined && may(operation) ? [action(other.id)] : [])
  const isConsultation = call.parent !== '' && other?.id === call.parent
  return [
    ...when('answer', act('answer', 'a', {}, 'main')),
    ...when('redirect', { kind: 'ask', operation: 'redirect', keys: 't', hint: 'redirect' }),
    ...when('hold', act('hold', 'h')),
    ...when('retrieve', act('retrieve', 'h', {}, 'main')),
    // A number of a card is kept out of the recording; who goes on with it presses the same key.
    ...when('pause-recording', act('pause-recording', 'i')),
    ...when('resume-recording', act('resume-recording', 'i', {}, 'main')),
    ...when('send-dtmf', { kind: 'keypad', keys: 'k' }),
    ...(may('initiate-transfer') || may('initiate-conference') ? [{ kind: 'ask', operation: may('initiate-transfer') ? 'initiate-transfer' : 'initiate-conference', keys: 'c', hint: 'consult' } as const] : []),
    ...when('complete-transfer', act('complete-transfer', 't', parentOf(call), 'main')),
    ...when('complete-conference', act('complete-conference', 'j', parentOf(call))),
    ...when('single-step-transfer', { kind: 'ask', operation: 'single-step-transfer', keys: 't', hint: 'transfer' }),
    ...(parkCode === '' || call.parent !== '' ? [] : when('single-step-transfer', { kind: 'park', keys: 'p' })),
    ...(may('delete-from-conference') && othersIn(call).length > 1 ? [{ kind: 'drop', keys: 'q', numbers: othersIn(call) } as const] : []),
    ...beside('alternate', (id) => act('alternate', 's', { heldConnId: id })),
    ...beside('reconnect', (id) => act('reconnect', 'b', { heldConnId: id })),
    ...(isConsultation ? [] : beside('merge', (id) => act('merge', 'j', { otherConnId: id }))),
    ...when('switch-to-listen-in', act('switch-to-listen-in', '')),
    ...when('switch-to-coaching', act('switch-to-coaching', '')),
    ...when('switch-to-barge-in', act('switch-to-barge-in', '')),
    ...when('complete', act('complete', 'e', {}, 'main')),
    ...when('release', act('release', 'x x', {}, 'danger')),
  ]
}

/** Those who talk in a call besides the agent. Who listens to it is none of them. */
const othersIn = ({ participants }: Call): readonly string[] => participants.filter(({ role, number }) => role !== OBSERVER && number !== '').map(({ number }) => number)

const parentOf = ({ parent }: Call): Readonly<Record<string, string>> => (parent === '' ? {} : { parentConnId: parent })

/** The call with which another one is swapped: the one of its consultation, or else one that is held. */
function otherOf(call: Call, calls: readonly Call[]): Call | undefined {
  const others = calls.filter(({ id, phase }) => id !== call.id && phase !== 'Released' && phase !== 'Ringing')
  return others.find(({ id }) => id === call.parent) ?? others.find(({ parent }) => parent === call.id) ?? others.find(({ phase }) => phase === 'Held')
}
