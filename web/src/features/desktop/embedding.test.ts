import { describe, expect, test } from 'vitest'
import { configurationIn } from '../../api/workspace-shapes'
import type { DeskState } from './desk-state'
import { newEmbedding, originsOf, PROTOCOL, type Embedding, type Page } from './embedding'
import { AT, callChanged, CONFIGURATION, deskAfter, dnChanged, READY } from './messages-for-tests'

const CRM = 'https://crm.example'
const DESK = 'https://centre.example'
const configuration = (origins: string): DeskState['configuration'] => configurationIn({ ...CONFIGURATION, settings: [{ key: 'interaction-workspace', type: 'kvlist', value: [{ key: 'service-client-api.accepted-web-content-origin', type: 'str', value: origins }] }] })

type Site = { readonly embedding: Embedding; readonly asked: string[]; readonly heard: Record<string, unknown>[]; readonly page: Page; state: DeskState; clock: number; readonly ask: (method: string, params?: object, origin?: string) => Promise<unknown> }

function site(): Site {
  const heard: Record<string, unknown>[] = []
  const asked: string[] = []
  const page: Page = { postMessage: (message, origin) => void heard.push({ ...(message as object), to: origin }) }
  const made: Site = {
    asked,
    heard,
    page,
    state: { ...deskAfter(READY, callChanged('1', 'Established')), configuration: configuration(CRM) },
    clock: 0,
    embedding: newEmbedding(
      {
        state: () => made.state,
        ask: (what, call = '', data = {}) => {
          asked.push(`${what} ${call} ${JSON.stringify(data)}`)
          return Promise.resolve(call !== '2')
        },
      },
      () => made.clock,
      DESK,
    ),
    ask: async (method, params, origin = CRM) => {
      heard.length = 0
      await made.embedding.hear({ protocol: PROTOCOL, id: 1, method, params }, origin, page)
      const [answer] = heard
      return answer === undefined ? undefined : (answer['error'] ?? answer['ok'])
    },
  }
  return made
}

describe('pages of other programs', () => {
  test('are let in by their whole origin', () => {
    expect(originsOf(configuration(`${CRM}, http://localhost:5173,*, https://*.example, https://x/y, javascript:`))).toEqual([CRM, 'http://localhost:5173'])
    expect(originsOf(undefined)).toEqual([])
  })
  test('of another origin hear nothing, not even a refusal', async () => {
    const one = site()
    for (const origin of ['https://evil.example', 'http://crm.example', 'null', `${CRM}:444`]) expect(await one.ask('hello', {}, origin), origin).toBeUndefined()
    one.embedding.tell()
    expect([one.heard, one.asked]).toEqual([[], []])
  })
  test('messages of other protocols are not meant', async () => {
    const one = site()
    for (const data of [undefined, 'hello', { id: 1, method: 'hello' }, { protocol: PROTOCOL, method: 'hello' }, { protocol: PROTOCOL, id: 1 }]) await one.embedding.hear(data, CRM, one.page)
    expect(one.heard).toEqual([])
  })
  test('get the state, and from then on what changes', async () => {
    const one = site()
    expect(await one.ask('hello')).toBe(true)
    expect(one.heard).toMatchObject([{ protocol: PROTOCOL, id: 1, to: CRM, result: { agent: { state: 'Ready' }, calls: [{ id: '1', state: 'Established', queue: 'sales', data: { RVQName: 'sales' }, may: ['hold', 'hang-up'] }] } }])
    one.embedding.tell()
    one.heard.length = 0
    one.embedding.tell()
    expect(one.heard).toEqual([])
    one.state = { ...deskAfter(one.state, callChanged('1', 'Held'), callChanged('2', 'Ringing'), dnChanged('NotReady', { agentWorkMode: 'AuxWork', reasons: [{ key: 'ReasonCode', type: 'str', value: '1' }] })) }
    one.embedding.tell()
    expect(one.heard).toMatchObject([{ event: 'agent', agent: { state: 'NotReady', reason: '1' } }, { event: 'call', change: 'changed', call: { id: '1', state: 'Held' } }, { event: 'call', change: 'new', call: { id: '2' } }])
    one.heard.length = 0
    one.state = { ...one.state, calls: [] }
    one.embedding.tell()
    expect(one.heard.map(({ change }) => change)).toEqual(['gone', 'gone'])
  })
  test('hear that the desktop hears nothing, that it does again, and that its page goes', async () => {
    const one = site()
    await one.ask('hello')
    one.embedding.tell()
    one.heard.length = 0
    const working = one.state
    one.state = { ...deskAfter(one.state, { kind: 'lost', at: AT }), configuration: working.configuration }
    one.embedding.tell()
    expect(one.heard).toMatchObject([{ event: 'connection', connection: 'lost' }])
    await one.ask('state')
    expect(one.heard).toMatchObject([{ result: { connection: 'lost', agent: { state: 'Ready' } } }])
    one.heard.length = 0
    one.state = working
    one.embedding.tell()
    expect(one.heard).toMatchObject([{ event: 'connection', connection: 'live' }])
    one.heard.length = 0
    one.embedding.leave()
    // The call goes on: nothing is said of it.
    expect(one.heard).toMatchObject([{ event: 'agent', agent: null }])
  })
  test('that are let in no more hear no more', async () => {
    const one = site()
    await one.ask('hello')
    one.state = { ...deskAfter(one.state, callChanged('1', 'Held')), configuration: configuration('https://other.example') }
    one.heard.length = 0
    one.embedding.tell()
    expect([one.heard, await one.ask('state')]).toEqual([[], undefined])
  })
  test('are told of each call which one it is for everybody else, and at first since when', async () => {
    const one = site()
    await one.ask('hello')
    expect(one.heard).toMatchObject([{ result: { calls: [{ id: '1', uuid: '00NQ5PJ1GGUFD000000000002000A001', since: AT - 5_000 }] } }])
    one.embedding.tell()
    expect(JSON.stringify(one.heard.slice(1))).not.toContain('since')
  })
  test('of the desktop itself are let in whatever the tenant says, and are told which CRMs it lets in', async () => {
    const one = site()
    expect(await one.ask('hello', {}, DESK)).toBe(true)
    expect(one.heard).toMatchObject([{ to: DESK, result: { crm: { origins: [CRM], settings: {} } } }])
    expect(Object.keys((one.heard[0]?.['result'] as { crm: { settings: object } }).crm.settings)).toEqual([])
    one.state = { ...one.state, configuration: configurationIn({ settings: [{ key: 'x', value: [{ key: 'salesforce.screen-pop.keys', value: 'CaseNumber' }, { key: 'voice.park-code', value: '*68' }] }] }) }
    expect(await one.ask('hello', {}, DESK)).toBe(true)
    expect(one.heard).toMatchObject([{ result: { crm: { origins: [], settings: { 'salesforce.screen-pop.keys': 'CaseNumber' } } } }])
    expect(JSON.stringify(one.heard)).not.toContain('*68')
    await one.ask('hello', {}, CRM)
    expect(JSON.stringify(one.heard), 'a page of another origin').not.toContain('origins')
  })
  test('hear that it is there, each at its own origin', () => {
    const one = site()
    one.embedding.announce(one.page, false)
    one.embedding.announce(one.page, true)
    expect(one.heard.map(({ event, to }) => [event, to])).toEqual([
      ['here', CRM],
      ['here', DESK],
    ])
  })
  test('ask for what can be done, and are told why something cannot', async () => {
    const one = site()
    expect([await one.ask('dial', { number: '+49 30 99', data: { Id: '7' } }), await one.ask('hold', { call: '1' }), await one.ask('set-data', { call: '1', data: { Id: '8' } }), await one.ask('not-ready', { reason: '1' }), await one.ask('ready')]).toEqual([true, true, true, true, true])
    expect(one.asked).toEqual([
      'make-call  {"destination":"+493099","userData":[{"key":"Id","type":"str","value":"7"}]}',
      'hold 1 {}',
      'update-user-data 1 {"userData":[{"key":"Id","type":"str","value":"8"}]}',
      'not-ready  {"agentWorkMode":"AuxWork","reasonCode":"1"}',
      'ready  {}',
    ])
    expect([await one.ask('dial', { number: 'ben' }), await one.ask('dial', { number: '1', data: { Id: 7 } }), await one.ask('answer', { call: '1' }), await one.ask('hold', { call: 'x' }), await one.ask('sing', { call: '1' }), await one.ask('constructor', { call: '1' }), await one.ask('set-data', { call: '1' })]).toEqual(['wrong-params', 'wrong-params', 'not-now', 'no-such-call', 'no-such-method', 'no-such-method', 'wrong-params'])
    one.state = deskAfter(one.state, callChanged('2', 'Established'))
    expect(await one.ask('hold', { call: '2' })).toBe('refused')
    one.state = { ...one.state, phase: { kind: 'left' } }
    expect(await one.ask('dial', { number: '1' })).toBe('not-at-work')
  })
  test('ask for so much in a time, and no more', async () => {
    const one = site()
    for (let asked = 0; asked < 30; asked += 1) await one.ask('state')
    expect(await one.ask('ready')).toBe('too-many')
    one.clock = 10_001
    expect(await one.ask('ready')).toBe(true)
  })
})
