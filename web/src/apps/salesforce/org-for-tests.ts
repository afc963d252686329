/** An org around the desktop, of which is told what the desktop and the org say. */

import { deskMessage, PROTOCOL } from './desk-messages'
import { newTranslation, translated, type Action, type Happened, type Translation } from './translation'

export const ORG = 'https://acme.lightning.force.com'
export const CONTACT = '003000000000001AAA'
export const CASE = '500000000000001AAA'
export const BEGAN = Date.parse('2031-05-09T14:00:00Z')

export type Site = { state: Translation; at: number; readonly done: Action[]; readonly hear: (data: object) => readonly Action[]; readonly take: (happened: Happened) => readonly Action[] }

export function site(settings: object = {}, agent: object | null = { state: 'Ready' }, origins: readonly string[] = [ORG]): Site {
  const made: Site = {
    state: newTranslation(ORG),
    at: BEGAN,
    done: [],
    take: (happened) => {
      const [state, actions] = translated(made.state, happened)
      made.state = state
      made.done.push(...actions)
      return actions
    },
    hear: (data) => {
      const message = deskMessage({ protocol: PROTOCOL, ...data })
      return message === undefined ? [] : made.take({ kind: 'desk', message, at: made.at })
    },
  }
  made.hear({ id: 'hello', ok: true, result: { user: 'ann', agent, calls: [], crm: { origins, settings } } })
  return made
}

export const call = (state: string, more: object = {}): object => ({ id: '01', uuid: 'U1', previous: '', type: 'Inbound', state, number: '+4930123456', dialled: '9000', queue: 'sales', data: {}, may: [], ...more })
export const told = (change: string, shown: object): object => ({ event: 'call', change, call: shown })
export const toOrg = (actions: readonly Action[], method: string): readonly object[] => actions.flatMap((action) => (action.to === 'org' && action.method === method ? [action.params] : []))
export const logs = (actions: readonly Action[]): readonly Record<string, unknown>[] => toOrg(actions, 'saveLog').map((params) => (params as { value: Record<string, unknown> }).value)
export const methods = (actions: readonly Action[]): readonly string[] => actions.map((action) => (action.to === 'agent' ? `says ${action.says}` : action.method))
