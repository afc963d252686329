/** The mock answers as the documents of the APIs say: what is developed and tried against it works with a server, too. */

import { describe, expect, test } from 'vitest'
import { checked, type Check } from '../src/api/check'
import { isTopology, isTrace, isTraces } from '../src/api/generated/operations-checks'
import { isChange, isSnapshot } from '../src/api/generated/pulse-checks'
import { changed, faultsIn, historyPage, imported, objectPage, uses } from '../src/api/agent-setup-answers'
import { apiKeyMade, apiKeys } from '../src/api/api-keys'
import { ticketIn } from '../src/api/browser-phone'
import { signInPage } from '../src/api/sign-ins'
import { messageIn, type DeskMessage } from '../src/api/workspace-messages'
import { subscriptionIn } from '../src/api/workspace-reporting'
import { contactIn, contactsIn } from '../src/api/workspace-contacts'
import { recentsIn, targetsIn } from '../src/api/workspace-targets'
import { groupsIn, membersIn, queuesIn } from '../src/api/workspace-team'
import { update } from '../src/features/agent-setup/edits'
import { toDraft, toObject } from '../src/features/agent-setup/form'
import { TENANT } from '../src/features/agent-setup/kinds/tenant'
import { inOrder, moved, ordered, placed } from '../src/features/agent-setup/order'

/** Modules without types. */
const mock = (name: string): Promise<Record<string, any>> => import(`../mock/${name}.mjs`)

function isUnderstood<T>(check: Check<T>, value: unknown): void {
  expect(checked(check, JSON.parse(JSON.stringify(value)))).toMatchObject({ kind: 'ok' })
}

describe('the mock', () => {
  test('the drawing', async () => {
    const { Drawing } = await mock('drawing')
    isUnderstood(isTopology, new Drawing().now(Date.now()))
  })

  test('traces', async () => {
    const { traces, traceOf, callOfTheMock, runningCall, refusedDialog } = await mock('traces')
    isUnderstood(isTraces, traces())
    for (const call of [callOfTheMock, runningCall, refusedDialog]) isUnderstood(isTrace, traceOf(call))
  })

  test('agent setup', async () => {
    const { Setup } = await mock('setup')
    const setup = new Setup({ people: 120 })
    const list = objectPage(setup.list('person', new URLSearchParams({ page_size: '100' })))
    expect([list?.items.length, list?.next]).toEqual([100, list?.items.at(-1)?.id])
    expect(objectPage(setup.list('person', new URLSearchParams({ page_size: '100', page_token: list?.next ?? '' })))).toMatchObject({ next: '' })
    const queues = objectPage(setup.list('dn', new URLSearchParams({ type: 'route_point,virtual_queue', fields: 'type' })))
    expect([...new Set(queues?.items.map(({ object }) => Object.keys(object).join()))]).toEqual(['type'])
    expect(JSON.stringify(list)).not.toContain('secret')
    expect(uses({ items: setup.uses('skill', 'Sales') })).toContainEqual({ kind: 'person', id: 'ada.adler', field: 'agent.skills', is_named: false })
    const edits = [{ kind: 'skill', id: 'Patience', action: 'put', expected_revision: 0, object: { name: 'Patience' } }]
    const dry = setup.change({ request_id: 'a', dry_run: true, edits }, 'grpc', 'ann')
    expect(changed(dry.answer)?.changes).toMatchObject([{ kind: 'skill', id: 'Patience', before: null, after: { name: 'Patience' } }])
    expect(setup.get('skill', 'Patience')).toBeUndefined()
    setup.change({ request_id: 'a', dry_run: false, edits }, 'grpc', 'ann')
    expect(setup.change({ request_id: 'b', dry_run: false, edits }, 'grpc', 'ann')).toMatchObject({ status: 409, answer: { kind: 'skill', id: 'Patience' } })
    const wrong = setup.change({ request_id: 'c', dry_run: true, edits: [{ kind: 'person', id: 'eve', action: 'put', object: { user_name: 'eve', agent: { id: 'a7101', skills: [{ skill: 'Nothing', level: 0 }] } } }] }, 'grpc', 'ann')
    expect(faultsIn({ type: 'mock', status: wrong.status, ...wrong.answer })?.faults.map(({ field, code }) => [field, code])).toEqual([
      ['first_name', 'needed'],
      ['last_name', 'needed'],
      ['agent.id', 'held'],
      ['agent.skills.Nothing', 'out_of_range'],
      ['agent.skills', 'unknown'],
    ])
    const { peopleFromCsv } = await mock('people-csv')
    const table = peopleFromCsv('user_name,disabled\neve,perhaps\n', () => undefined)
    expect(imported({ rows: 1, changed: 0, faults: table.faults, changes: [], checked: '' })?.faults).toMatchObject([{ line: 2, code: 'wrong_type' }])
    expect(historyPage({ items: [setup.entries.at(-1)], next_page_token: '' })?.items).toMatchObject([{ by: 'ann', way: 'grpc' }])
  })

  test('the desktop: sessions, messages, and what each operation leads to', async () => {
    const { Phone } = await mock('desk-calls')
    const { Desks } = await mock('desk')
    const { Setup } = await mock('setup')
    const told: DeskMessage[] = []
    const later: (() => void)[] = []
    const tell = (data: unknown): void => {
      const message = messageIn(JSON.parse(JSON.stringify(data)), Date.now())
      if (message === undefined) throw new Error(`not understood: ${JSON.stringify(data)}`)
      told.push(message)
    }
    const phone = new Phone({ dn: '7101', agent: 'a7101', tell, later: (run: () => void) => later.push(run), wrapUpMs: 1 })
    const call = phone.ring()
    for (const operation of ['answer', 'hold', 'retrieve']) expect(phone.operateCall(call, operation, {})).toBe(true)
    phone.operateCall(call, 'initiate-transfer', { destination: '7102' }, 'op')
    later.splice(0).forEach((run) => run())
    phone.operateCall(phone.calls[1], 'complete-transfer', {}, 'op')
    const said = told.map((message) => (message.kind === 'call' ? `${message.call.type} ${message.call.phase}` : message.kind === 'dn' ? `${message.dn.state} ${message.dn.workMode}` : message.kind))
    expect(said).toEqual(['Inbound Ringing', 'Inbound Established', 'Inbound Held', 'Inbound Established', 'Inbound Held', 'Consult Dialing', 'Consult Established', 'Consult Released', 'Inbound Released', 'NotReady AfterCallWork'])
    phone.operate('make-call', { destination: '00001' }, 'op')
    expect(told.at(-1)).toEqual({ kind: 'error', code: 415, why: 'Invalid Destination', operation: 'op' })
    expect(phone.operate('sing', {})).toBe(false)
    new Desks(new Setup({ people: 1 })).close()
  })

  test('the desktop: whom a call can go to, what is kept, and numbers', async () => {
    const { DeskTargets } = await mock('desk-targets')
    const { Setup } = await mock('setup')
    const told: unknown[] = []
    const targets = new DeskTargets(new Setup({ people: 5 }))
    const session = { user: { userName: 'ada' }, hub: { publish: (_: string, message: unknown) => told.push(message) } }
    const asked = (path: string, data: object = {}, method = 'GET') => targets.asked(session, path.split('?')[0]?.split('/'), data, new URLSearchParams(path.split('?')[1]), method)
    const found = targetsIn(asked('targets?searchTerm=adler&types=agent').data, Date.now())
    expect(found.map(({ name, number, availability }) => [name, number, availability.kind])).toContainEqual(['Ben Adler', '7102', 'agent'])
    expect(targetsIn(asked('targets?searchTerm=*&types=agent-group,acd-queue,route-point').data, 0).map(({ availability }) => availability.kind)).toEqual(['group', 'group', 'queue', 'queue', 'queue', 'queue'])
    const [first] = found
    expect(targetsIn(asked(`targets/agent/${first?.id}`).data, 0)).toMatchObject([{ name: first?.name }])
    asked('targets/personal-favorites/save', { target: { type: 'agent', id: first?.id, firstName: 'Ada', lastName: 'Adler', numbers: ['7101'] } }, 'POST')
    expect(targetsIn(asked('targets/personal-favorites').data, 0)).toMatchObject([{ id: first?.id, name: 'Ada Adler', number: '7101', availability: { kind: 'unknown' } }])
    targets.note(session, '+331', true)
    expect(recentsIn(asked('targets/recents').data, 0)).toMatchObject([{ target: { number: '+331', type: 'custom-contact' }, isMissed: true }])
    const opened = subscriptionIn(asked('reporting/subscriptions', { statistics: [{ objectId: '1', objectType: 'Agent', name: 'CallsHandled' }] }, 'POST').data)
    expect(opened.values).toEqual({ 'Agent 1 CallsHandled': 7 })
    targets.tell()
    expect(messageIn(told.at(-1), 0)).toEqual({ kind: 'numbers', values: opened.values })
    expect(asked(`reporting/subscriptions/${opened.id}`, {}, 'DELETE').status).toBeUndefined()
    expect(asked(`reporting/subscriptions/${opened.id}`).status).toBe(404)
    targets.close()
  })

  test('the desktop: contacts are the person’s own, or shared', async () => {
    const { DeskTargets } = await mock('desk-targets')
    const { Setup } = await mock('setup')
    const targets = new DeskTargets(new Setup({ people: 5 }))
    const asked = (userName: string, path: string, data: object = {}, method = 'GET') => targets.asked({ user: { userName } }, path.split('?')[0]?.split('/'), data, new URLSearchParams(path.split('?')[1]), method)
    const names = (userName: string) => contactsIn(asked(userName, 'contacts?limit=20').data).contacts.map(({ name }) => name)
    const ines = contactIn(asked('ada', 'contacts', { name: 'Ines Iversen', company: 'Iversen Tea', numbers: [{ type: 'mobile', number: '+4930123456' }] }, 'POST').data)
    const taxi = contactIn(asked('ada', 'contacts', { name: 'Taxi', isShared: true }, 'POST').data)
    expect([names('ada'), names('ben')]).toEqual([['Ines Iversen', 'Taxi'], ['Taxi']])
    expect(targetsIn(asked('ada', 'targets?searchTerm=tea&types=custom-contact').data, 0)).toMatchObject([{ id: ines?.id, number: '+4930123456', isContact: true }])
    expect(asked('ben', `contacts/${ines?.id}`).status).toBe(404)
    expect(asked('ada', `contacts/${ines?.id}`, { name: 'Ines', numbers: [{ type: 'work', number: 'call me' }] }, 'PUT').status).toBe(400)
    expect(asked('ada', `contacts/${ines?.id}`, { name: 'Ines Ibsen' }, 'PUT').status).toBeUndefined()
    targets.contacts.mayShare = false
    expect(asked('ben', `contacts/${taxi?.id}`, {}, 'DELETE').status).toBe(403)
    asked('ada', `contacts/${ines?.id}`, {}, 'DELETE')
    expect(names('ada')).toEqual(['Taxi'])
    targets.close()
  })

  test('a supervisor’s people, and what is set of them', async () => {
    const { TeamOfMock } = await mock('team')
    const { Setup } = await mock('setup')
    const team = new TeamOfMock(new Setup({ people: 6 }))
    const users = () => membersIn(team.asked(['users'], new URLSearchParams({ limit: '5' })).data, Date.now())
    expect([new Set(users().members.map(({ state }) => state)), users().all]).toEqual([new Set(['ready', 'talking', 'notReady', 'afterCallWork', 'loggedOut']), 6])
    const inStates = (states: string) => membersIn(team.asked(['users'], new URLSearchParams({ states, limit: '1' })).data, Date.now())
    expect([inStates('Ready,NotReady').all, inStates('LoggedOut').all, inStates('LoggedOut').members.map(({ state }) => state)]).toEqual([5, 1, ['loggedOut']])
    expect(team.asked(['users', '1001', 'voice', 'not-ready'], new URLSearchParams())).toEqual({ code: 1 })
    expect(users().members.find(({ id }) => id === '1001')?.state).toBe('notReady')
    expect(queuesIn(team.asked(['targets'], new URLSearchParams()).data)).toMatchObject([{ name: 'support', waiting: 4 }, { name: 'sales', waiting: 3 }])
    expect(groupsIn({ agentGroups: team.groups() }).length).toBeGreaterThan(0)
  })

  test('a ticket of the mock leads a page to its phone', async () => {
    const { Phones } = await mock('phones')
    expect(ticketIn(new Phones().ticket('127.0.0.1:4400', '7101'), { protocol: 'http:', host: '127.0.0.1:4400' })).toMatchObject({ url: expect.stringMatching(/^ws:\/\/127\.0\.0\.1:4400\/webrtc\?ticket=/), number: '7101' })
  })

  test('sign-ins', async () => {
    const { exampleSignIns, signInsOf } = await mock('sign-ins')
    const all = exampleSignIns(Date.parse('2026-07-02T08:15:00Z'))
    const page = signInPage(signInsOf(all, new URLSearchParams({ page_size: '50' })))
    expect([page?.items.length, page?.next, page?.items[0]?.event]).toEqual([50, '50', 'signed_in'])
    const ofAnn = signInPage(signInsOf(all, new URLSearchParams({ person: 'ADA.adler', event: 'refused' })))
    expect(ofAnn).toMatchObject({ items: [{ subject: 'person/ada.adler', times: 3 }], next: '' })
    expect(signInPage(signInsOf(all, new URLSearchParams({ since: '2026-07-02T08:14:00Z', until: '2026-07-02T08:15:00Z' })))?.items).toHaveLength(1)
  })

  test('API keys', async () => {
    const { ApiKeysOfMock } = await mock('api-keys')
    const { ADMINISTRATOR } = await mock('setup')
    const now = Date.parse('2026-07-02T08:15:00Z')
    const keys = new ApiKeysOfMock(now)
    const asked = { account: ADMINISTRATOR, clients: [{ id: 'reports', scopes: ['statistics:read'] }], now }
    const make = (wanted: object) => keys.answer({ ...asked, method: 'POST', body: JSON.stringify({ name: 'crm', client: null, scopes: ['webhooks'], expires_at: null, request_id: 'r1', ...wanted }) })
    const made = make({})
    expect(made.status).toBe(201)
    expect(apiKeyMade(made.answer)?.key).toMatch(/^tlk_[0-9A-Za-z]{11}_[0-9A-Za-z]{43}$/)
    expect(apiKeyMade(make({}).answer)).toMatchObject({ apiKey: { name: 'crm', client: '', scopes: ['webhooks'], endsAt: now + 365 * 86_400_000 }, key: undefined })
    const list = apiKeys(keys.answer({ ...asked, method: 'GET' }).answer)
    expect(list?.map(({ name }) => name)).toEqual(['crm', 'crm', 'wallboard', 'old import', 'trial'])
    expect(JSON.stringify(list)).not.toContain('tlk_')
    const { status, answer } = make({ client: 'reports', request_id: 'r2' })
    expect(faultsIn({ type: 'mock', status, ...answer })?.faults).toMatchObject([{ field: 'scopes', code: 'other' }])
    expect(make({ scopes: ['operate'], request_id: 'r3' }).status).toBe(403)
    expect(keys.answer({ ...asked, method: 'DELETE', id: list?.[0]?.id }).status).toBe(204)
    expect(apiKeys(keys.answer({ ...asked, method: 'GET' }).answer)?.[0]?.revokedAt).toBe(now)
    expect(keys.answer({ ...asked, method: 'DELETE', id: 'none' }).status).toBe(404)
  })

  test('the tenant itself and its dial rules', async () => {
    const { Setup } = await mock('setup')
    const setup = new Setup({ people: 1 })
    const own = setup.get('tenant', '-')
    expect(own).toMatchObject({ id: '-', object: { id: 'example' } })
    // What the pages change of it arrives there, and what they cannot say stays.
    const edit = update('tenant', own, toObject(TENANT, { ...toDraft(TENANT, own.object), time_zone: 'Nowhere' }, own.object))
    expect(setup.change({ request_id: 'a', dry_run: false, edits: [edit] }, 'grpc', 'ann')).toMatchObject({ status: 422, answer: { faults: [{ id: '-', field: 'time_zone', code: 'time_zone' }] } })
    const rules = inOrder(objectPage(setup.list('dial_rule', new URLSearchParams()))?.items ?? [])
    expect(rules.map(({ id }) => id)).toEqual(['emergency', 'premium', 'outside', 'daily'])
    const edits = placed(ordered(rules, moved(rules.map(({ id }) => id), 'daily', -1)))
    setup.change({ request_id: 'b', dry_run: false, edits }, 'grpc', 'ann')
    expect([setup.get('dial_rule', 'daily').object.place, setup.get('dial_rule', 'outside').object.place]).toEqual([2, 3])
  })

  test('groups, reasons, lists and attributes', async () => {
    const { Setup } = await mock('setup')
    const setup = new Setup({ people: 3 })
    for (const kind of ['agent_group', 'action_code', 'list', 'business_attribute', 'place_group', 'dn_group', 'trunk_group', 'calling_list', 'campaign', 'campaign_group', 'ivr_profile', 'statistic_definition', 'capacity_rule', 'transaction', 'switch', 'agent_login', 'access_group', 'role', 'folder']) expect(objectPage(setup.list(kind, new URLSearchParams()))?.items.length).toBeGreaterThan(0)
    expect(uses({ items: setup.uses('person', 'ada.adler') })).toEqual([
      { kind: 'agent_group', id: 'Day team', field: 'agents', is_named: false },
      { kind: 'agent_group', id: 'Day team', field: 'managers', is_named: false },
      { kind: 'access_group', id: 'Berlin', field: 'people', is_named: false },
    ])
    expect(uses({ items: setup.uses('skill', 'Support') })).toContainEqual({ kind: 'agent_group', id: 'Seniors', field: 'expression', is_named: false })
    const faults = (kind: string, id: string, object: object) => {
      const { status, answer } = setup.change({ request_id: id, dry_run: true, edits: [{ kind, id, action: 'put', object }] }, 'grpc', 'ann')
      return faultsIn({ type: 'mock', status, ...answer })?.faults.map(({ field, code }) => [field, code])
    }
    expect(faults('agent_group', 'x', { name: 'x', agents: ['ada.adler'], expression: 'Patience >= 1 &', managers: ['nobody'] })).toEqual([
      ['expression', 'only_without'],
      ['expression', 'skill_expression'],
      ['managers', 'unknown'],
      ['expression', 'unknown'],
    ])
    expect(faults('action_code', '3', { code: '3', name: 'lunch', order: null })).toEqual([['name', 'held']])
    expect(faults('list', 'x', { name: 'x', sections: { '': { a: 'b' }, s: { k: 'v'.repeat(1_025) } } })).toEqual([['sections', 'list_key'], ['sections.s.k', 'too_long']])
    expect(faults('business_attribute', 'x', { name: 'x', values: [{ value: 'a' }, { value: 'a' }], default: 'b' })).toEqual([['values', 'twice'], ['default', 'one_of']])
    // What is removed of a list is gone.
    setup.change({ request_id: 'a', dry_run: false, edits: [{ kind: 'list', id: 'Branches', action: 'merge', object: { sections: { berlin: { open: null } } }, fields: ['sections.berlin.open'] }] }, 'grpc', 'ann')
    expect(setup.get('list', 'Branches').object.sections.berlin).toEqual({ greeting: 'welcome-de' })
    expect(faults('place_group', 'x', { name: 'x', places: ['nowhere'] })).toEqual([['places', 'unknown']])
    expect(faults('dn_group', 'x', { name: 'x', type: 'single_ports', members: [{ dn: '9000', weight: 1 }, { dn: '7101', weight: 1 }, { dn: '7101', weight: 1 }] })).toEqual([['members', 'twice'], ['members', 'dn_type']])
    expect(faults('ivr_profile', 'x', { name: 'x', service_type: 'voicexml', application: 'support', initial_page_url: 'ftp://x' })).toEqual([['application', 'only_with'], ['initial_page_url', 'url']])
    expect(faults('ivr_profile', 'x', { name: 'x', service_type: 'scxml' })).toEqual([['application', 'needed_with']])
    const calls = { name: 'x', category: 'TotalNumber', subject: 'DNAction', objects: ['Queue'], main: ['CallEntered'], profile: 'growing' }
    expect(faults('statistic_definition', 'x', calls)).toBeUndefined()
    expect(faults('statistic_definition', 'x', { ...calls, relative: ['CallWait'], range_to_s: 5, short_abandon_s: 1, profile: 'sliding', subject: 'AgentStatus' })).toEqual([['relative', 'only_with'], ['range_to_s', 'only_with'], ['short_abandon_s', 'only_with'], ['window_s', 'needed_with'], ['category', 'statistic']])
    expect(faults('transaction', 'x', { name: 'x', type: 'macro', sections: { '': {} } })).toEqual([['sections', 'list_key']])
    expect(faults('campaign', 'x', { name: 'x', calling_lists: [{ calling_list: 'none', weight: 1 }] })).toEqual([['calling_lists', 'unknown']])
    expect(uses({ items: setup.uses('person', 'ben.adler') })).toContainEqual({ kind: 'agent_login', id: '5001', field: 'person', is_named: false })
    expect(uses({ items: setup.uses('switch', 'Paris') })).toEqual([{ kind: 'switch', id: 'Berlin', field: 'access_codes', is_named: false }])
    expect(uses({ items: setup.uses('campaign', 'Spring') })).toEqual([{ kind: 'campaign_group', id: 'Spring by day', field: 'campaign', is_named: false }])
  })

  test('the wallboard', async () => {
    const { CallCentre } = await mock('call-centre')
    const centre = new CallCentre({ agents: 3, queues: 2 })
    isUnderstood(isSnapshot, centre.snapshot(Date.now()))
    isUnderstood(isChange, centre.change(Date.now(), centre.step(Date.now(), 5_000)))
  })
})
