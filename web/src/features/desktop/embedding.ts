/** What pages of other programs, as a CRM, ask of the desktop and hear of it: messages from window to window. docs/desktop-embedding.md has the contract. */

import type { Call, Configuration, Dn } from '../../api/workspace-shapes'
import type { Desk } from './desk'
import { dialled, isNumber } from './destination'
import { reasonOf } from './missed'
import type { Operation } from './operations'
import { queueOf } from './words'

/** In each message, both ways. */
export const PROTOCOL = 'trunkline.desktop/1'
/** The published name of the setting: origins with commas between. */
const ORIGINS = 'service-client-api.accepted-web-content-origin'
const PAGES_MAX = 4
/** What one page may ask for in such a time. */
const ASKED_MAX = 30
const ASKED_WITHIN_MS = 10_000
const PAIRS_MAX = 50
const TEXT_MAX = 4_000

/** A window to which is written. */
export type Page = { readonly postMessage: (message: unknown, origin: string) => void }

export type Embedding = {
  /** Says that the desktop is there: to a page of its own origin, or to one that may be of those that are let in. */
  readonly announce: (page: Page, isOwn: boolean) => void
  readonly hear: (data: unknown, origin: string, page: Page) => Promise<void>
  /** Tells what has changed since it was told last. */
  readonly tell: () => void
  /** Says that nobody works here any more: the page of the desktop goes. Calls are not said to be gone, for they go on. */
  readonly leave: () => void
}

/** Origins that are let in. Each is one scheme, host and port; there is none for all. */
export function originsOf(configuration: Configuration | undefined): readonly string[] {
  const named = (configuration?.settings[ORIGINS] ?? '').split(',').map((origin) => origin.trim())
  return named.filter((origin) => /^https?:\/\/[^/?#@*\s]+$/i.test(origin)).map((origin) => origin.toLowerCase())
}

/** What a page of ours, as the softphone of a CRM, is told besides: which CRMs the tenant lets in, and what it has set for them. */
const OF_CRMS = /^(salesforce\.|interaction\.disposition\.)/

function toldToOwn(configuration: Configuration | undefined): object {
  const settings = Object.entries(configuration?.settings ?? {}).filter(([key]) => OF_CRMS.test(key))
  return { crm: { origins: originsOf(configuration), settings: Object.fromEntries(settings) } }
}

type Listener = { readonly page: Page; readonly origin: string; readonly asked: number[] }

/** `own` is the origin of the desktop: pages of it are let in by every tenant, since they could ask the server themselves. */
export function newEmbedding(desk: Pick<Desk, 'state' | 'ask'>, now: () => number, own = ''): Embedding {
  let listeners: readonly Listener[] = []
  let toldAgent = ''
  let toldLost = false
  let toldCalls: ReadonlyMap<string, string> = new Map()
  const isOwn = (origin: string): boolean => own !== '' && origin === own
  const isLetIn = (origin: string): boolean => isOwn(origin) || originsOf(desk.state().configuration).includes(origin.toLowerCase())
  const post = ({ page, origin }: Listener, message: object): void => page.postMessage({ protocol: PROTOCOL, ...message }, origin)
  const all = (message: object): void => {
    // Whoever is let in no more hears nothing more.
    listeners = listeners.filter(({ origin }) => isLetIn(origin))
    for (const listener of listeners) post(listener, message)
  }
  const listenerOf = (page: Page, origin: string): Listener => {
    const known = listeners.find((one) => one.page === page && one.origin === origin)
    const listener = known ?? { page, origin, asked: [] }
    if (known === undefined) listeners = [...listeners.filter((one) => one.page !== page), listener].slice(-PAGES_MAX)
    return listener
  }
  const mayAsk = ({ asked }: Listener): boolean => {
    while ((asked[0] ?? Infinity) < now() - ASKED_WITHIN_MS) asked.shift()
    asked.push(now())
    return asked.length <= ASKED_MAX
  }
  return {
    announce: (page, isOfOwn) => {
      for (const origin of isOfOwn ? [own] : originsOf(desk.state().configuration)) page.postMessage({ protocol: PROTOCOL, event: 'here' }, origin)
    },
    hear: async (data, origin, page) => {
      const request = requestIn(data)
      // A page that is not let in learns not even that there is a desktop.
      if (request === undefined || !isLetIn(origin)) return
      const listener = listenerOf(page, origin)
      const answer = mayAsk(listener) ? await done(desk, request, isOwn(origin)) : { ok: false, error: 'too-many' }
      post(listener, { id: request.id, ...answer })
    },
    tell: () => {
      const { dn, calls, away } = desk.state()
      const isLost = away !== undefined
      if (isLost !== toldLost) all({ event: 'connection', connection: isLost ? 'lost' : 'live' })
      toldLost = isLost
      const agent = shownAgent(dn)
      if (JSON.stringify(agent) !== toldAgent) all({ event: 'agent', agent })
      toldAgent = JSON.stringify(agent)
      const shown = new Map(calls.map((call) => [call.id, shownCall(call)] as const))
      for (const [id, call] of shown) if (toldCalls.get(id) !== JSON.stringify(call)) all({ event: 'call', change: toldCalls.has(id) ? 'changed' : 'new', call })
      for (const id of toldCalls.keys()) if (!shown.has(id)) all({ event: 'call', change: 'gone', call: { id } })
      toldCalls = new Map([...shown].map(([id, call]) => [id, JSON.stringify(call)]))
    },
    leave: () => {
      all({ event: 'agent', agent: null })
      toldAgent = ''
    },
  }
}

// === what is asked ===

type Request = { readonly id: string | number; readonly method: string; readonly params: Readonly<Record<string, unknown>> }

function requestIn(data: unknown): Request | undefined {
  const fields: Readonly<Record<string, unknown>> = typeof data === 'object' && data !== null ? Object.fromEntries(Object.entries(data)) : {}
  const { protocol, id, method, params } = fields
  if (protocol !== PROTOCOL || typeof method !== 'string' || (typeof id !== 'string' && typeof id !== 'number')) return undefined
  return { id, method, params: typeof params === 'object' && params !== null ? Object.fromEntries(Object.entries(params)) : {} }
}

type Answer = { readonly ok: true; readonly result?: unknown } | { readonly ok: false; readonly error: string }

/** Methods that are operations on a call. */
const ON_CALLS: ReadonlyMap<string, Operation> = new Map([
  ['answer', 'answer'],
  ['hold', 'hold'],
  ['retrieve', 'retrieve'],
  ['hang-up', 'release'],
  ['complete', 'complete'],
])

async function done(desk: Pick<Desk, 'state' | 'ask'>, { method, params }: Request, isOwn: boolean): Promise<Answer> {
  const { dn, calls, phase, user, away } = desk.state()
  const accepted = async (asked: Promise<boolean>): Promise<Answer> => ((await asked) ? { ok: true } : { ok: false, error: 'refused' })
  if (method === 'hello' || method === 'state') return { ok: true, result: { user: user?.userName ?? '', connection: away === undefined ? 'live' : 'lost', agent: shownAgent(dn), calls: calls.map((call) => ({ ...shownCall(call), since: call.began })), ...(isOwn ? toldToOwn(desk.state().configuration) : {}) } }
  if (phase.kind !== 'working') return { ok: false, error: 'not-at-work' }
  if (method === 'dial') {
    const number = typeof params['number'] === 'string' ? dialled(params['number']) : ''
    const data = pairsOf(params['data'])
    if (!isNumber(number) || data === undefined) return { ok: false, error: 'wrong-params' }
    return accepted(desk.ask('make-call', '', { destination: number, ...(data.length === 0 ? {} : { userData: data }) }))
  }
  if (method === 'ready') return accepted(desk.ask('ready'))
  if (method === 'not-ready') return accepted(desk.ask('not-ready', '', { agentWorkMode: 'AuxWork', ...(typeof params['reason'] === 'string' ? { reasonCode: params['reason'] } : {}) }))
  const call = calls.find(({ id }) => id === params['call'])
  const operation = ON_CALLS.get(method) ?? (method === 'set-data' ? 'update-user-data' : undefined)
  if (operation === undefined) return { ok: false, error: 'no-such-method' }
  if (call === undefined) return { ok: false, error: 'no-such-call' }
  if (!call.capabilities.includes(operation)) return { ok: false, error: 'not-now' }
  if (operation !== 'update-user-data') return accepted(desk.ask(operation, call.id))
  const userData = pairsOf(params['data'])
  return userData === undefined || userData.length === 0 ? { ok: false, error: 'wrong-params' } : accepted(desk.ask(operation, call.id, { userData }))
}

/** Texts by key, as the API has them; undefined where something else is among them, or too much. */
function pairsOf(data: unknown): readonly object[] | undefined {
  if (data === undefined) return []
  if (typeof data !== 'object' || data === null) return undefined
  const pairs = Object.entries(data)
  const isWell = pairs.length <= PAIRS_MAX && pairs.every(([key, value]) => key !== '' && key.length <= TEXT_MAX && typeof value === 'string' && value.length <= TEXT_MAX)
  return isWell ? pairs.map(([key, value]) => ({ key, type: 'str', value: String(value) })) : undefined
}

// === what is told ===

function shownAgent(dn: Dn | undefined): object | null {
  return dn === undefined ? null : { agent: dn.agent, number: dn.number, state: dn.state, workMode: dn.workMode, reason: dn.state === 'NotReady' ? reasonOf(dn) : '' }
}

function shownCall(call: Call): object {
  const data = Object.fromEntries(call.data.map(({ key, value }) => [key, value]))
  const may = [...ON_CALLS].flatMap(([method, operation]) => (call.capabilities.includes(operation) ? [method] : []))
  return { id: call.id, uuid: call.uuid, previous: call.previous, type: call.type, state: call.phase, number: call.number, dialled: call.dialled, queue: queueOf(call), data, may }
}
