/** Messages as the Workspace API sends them, and the desk that they make. */

import { messageIn } from '../../api/workspace-messages'
import { sessionIn } from '../../api/workspace-shapes'
import { after, NEW_DESK, type DeskInput, type DeskState } from './desk-state'

export const AT = Date.parse('2031-05-09T14:00:00Z')

const DATA = ['attach-user-data', 'update-user-data', 'delete-user-data-pair']
const CAPABILITIES: Readonly<Record<string, readonly string[]>> = {
  Ringing: ['answer', 'redirect', 'clear', ...DATA],
  Dialing: ['release', 'clear', ...DATA],
  Established: ['release', 'hold', 'clear', 'send-dtmf', ...DATA, 'initiate-conference', 'initiate-transfer', 'single-step-conference', 'single-step-transfer', 'start-recording'],
  Held: ['release', 'retrieve', 'clear', ...DATA, 'single-step-transfer'],
  Released: ['complete', ...DATA],
  Completed: [],
}

export const dn = (agentState: string, more: object = {}): object => ({ number: '7101', switchName: 'Berlin', agentId: '1001', agentState, agentWorkMode: 'ManualIn', dnd: false, reasons: [], capabilities: ['ready', 'not-ready'], timestamp: AT - 60_000, ...more })

export const call = (id: string, state: string, more: object = {}): object => ({
  id,
  connId: id,
  callUuid: '00NQ5PJ1GGUFD000000000002000A001',
  callType: 'Inbound',
  state,
  phoneNumber: '+4930123456',
  ani: '+4930123456',
  dnis: '9000',
  participants: [{ number: '+4930123456', role: 'RoleOrigination' }],
  userData: [{ key: 'RVQName', type: 'str', value: 'sales' }],
  extensions: [],
  capabilities: CAPABILITIES[state] ?? [],
  recordingState: 'Stopped',
  duration: 5,
  startedAt: '2031-05-09T13:59:55.000Z',
  ...more,
})

export const dnChanged = (agentState: string, more: object = {}): object => ({ messageType: 'DnStateChanged', dn: dn(agentState, more) })
export const callChanged = (id: string, state: string, more: object = {}, notificationType = 'StateChange'): object => ({ messageType: 'CallStateChanged', notificationType, call: call(id, state, more) })
export const failed = (errorCode: number, operationId?: string): object => ({ messageType: 'EventError', error: { errorCode, errorMessage: 'Invalid Destination DN' }, ...(operationId === undefined ? {} : { operationId }) })

export const USER = { dbid: 101, userName: 'ann', employeeId: '1001', firstName: 'Ann', lastName: 'Archer', defaultPlace: 'P7101', agentLogin: '1001', userProperties: [] }
export const CONFIGURATION = {
  actionCodes: [
    { name: 'Lunch', code: '1', type: 'NotReady', subCodes: [], userProperties: [] },
    { name: 'Login', code: '7', type: 'Login', subCodes: [], userProperties: [] },
  ],
  agentGroups: [{ DBID: 1, name: 'Day team', settings: {} }],
  businessAttributes: [
    { id: 1, name: 'Language', displayName: 'Language spoken', description: '', values: [{ id: 11, name: 'de', displayName: 'German', default: true }, { id: 12, name: 'fr', displayName: null }] },
    { id: 2, name: 'DispositionCode', displayName: 'Result', description: '', values: [{ id: 21, name: 'sold', displayName: 'Sold' }] },
  ],
  transactions: [],
  settings: [],
  environment: { connections: [] },
}
export const complete = { messageType: 'WorkspaceInitializationComplete', state: 'Complete', submittedAt: AT, data: { user: USER, configuration: CONFIGURATION } }

export const session = (active?: { readonly dn: object; readonly calls: readonly object[] }): DeskInput => ({
  kind: 'session',
  session: sessionIn({ user: { ...USER, ...(active === undefined ? {} : { activeSession: { ...active, media: { channels: [] }, services: [{ serviceName: 'VOICE', serviceState: 'AVAILABLE' }] } }) }, configuration: CONFIGURATION }, AT),
})

/** The desk after messages and other inputs. */
export function deskAfter(from: DeskState, ...inputs: readonly (DeskInput | { readonly messageType: string } | object)[]): DeskState {
  return inputs.reduce<DeskState>((state, input) => {
    if ('kind' in input) return after(state, input as DeskInput)
    const message = messageIn(input, AT)
    return message === undefined ? state : after(state, { kind: 'message', message })
  }, from)
}

/** A desk at work whose agent is ready. */
export const READY = deskAfter(NEW_DESK, { kind: 'reading' }, session({ dn: dn('Ready'), calls: [] }))
