import { describe, expect, test } from 'vitest'
import { PROTOCOL as OF_DESKTOP } from '../../features/desktop/embedding'
import { deskMessage, PROTOCOL } from './desk-messages'
import { BEGAN, call, CASE, CONTACT, logs, methods, ORG, site, told, toOrg, type Site } from './org-for-tests'
import { newTranslation, translated } from './translation'
import { wordsIn } from './words'

describe('the desktop', () => {
  test('is asked once it says that it is there, in its own protocol', () => {
    expect(PROTOCOL).toBe(OF_DESKTOP)
    const [, actions] = translated(newTranslation(ORG), { kind: 'desk', message: { kind: 'here' }, at: 0 })
    expect(actions).toEqual([{ to: 'desk', id: 'hello', method: 'hello', params: {} }])
    expect(deskMessage({ protocol: 'other/1', event: 'here' })).toBeUndefined()
  })
  test('lets numbers be pressed while its agent is at work', () => {
    const one = site()
    expect(methods(one.done)).toEqual(['enableClickToDial'])
    expect(methods(one.hear({ event: 'agent', agent: null }))).toEqual(['disableClickToDial', 'says away'])
    expect(methods(one.hear({ event: 'agent', agent: { state: 'NotReady' } }))).toEqual(['enableClickToDial'])
    expect(methods(site({}, null).done)).toEqual(['says away'])
  })
  test('that hears nothing lets no numbers be pressed, and is asked how things are once it hears again', () => {
    const one = site()
    expect(methods(one.hear({ event: 'connection', connection: 'lost' }))).toEqual(['disableClickToDial', 'says offline'])
    expect(methods(one.take({ kind: 'clicked', payload: { number: '1' } }))).toEqual(['setSoftphonePanelVisibility', 'says offline'])
    expect(one.hear({ event: 'connection', connection: 'live' })).toEqual([{ to: 'desk', id: 'hello', method: 'hello', params: {} }])
    const hello = (connection: string): object => ({ id: 'hello', ok: true, result: { agent: { state: 'Ready' }, calls: [], connection, crm: { origins: [ORG], settings: {} } } })
    expect(methods(one.hear(hello('lost')))).toEqual([])
    expect(methods(one.hear(hello('live')))).toEqual(['enableClickToDial'])
    // Who has gone to another page is not at work, and says so.
    expect(methods(one.hear({ event: 'agent', agent: null }))).toEqual(['disableClickToDial', 'says away'])
    expect(one.hear({ event: 'connection', connection: 'lost' })).toEqual([])
    expect(methods(one.take({ kind: 'unanswered' }))).toEqual(['says unanswered'])
  })
  test('of a tenant that does not let the org in tells the org nothing', () => {
    for (const origins of [[], ['https://other.lightning.force.com']]) {
      const one = site({}, { state: 'Ready' }, origins)
      expect(methods(one.done)).toEqual(['says refused'])
      one.done.length = 0
      for (const state of ['Ringing', 'Established', 'Released']) one.hear(told('new', call(state)))
      one.hear({ event: 'agent', agent: { state: 'Ready' } })
      expect(one.done).toEqual([])
      expect(methods(one.take({ kind: 'clicked', payload: { number: '1' } })), 'a number that is pressed').not.toContain('dial')
    }
  })
})

test('a call is logged in the language of the agent', () => {
  const subject = (type: string, number: string): unknown => {
    const one = site()
    one.state = { ...one.state, words: wordsIn('de-AT') }
    for (const state of ['Established', 'Released']) one.hear(told(state === 'Established' ? 'new' : 'changed', call(state, { type, number })))
    return logs(one.done)[0]?.['Subject']
  }
  expect([subject('Inbound', '+4930'), subject('Outbound', '$&'), subject('Internal', '')]).toEqual(['Anruf von +4930', 'Anruf bei $&', 'Gespräch mit unbekannter Nummer'])
})

describe('the window of the desktop', () => {
  test('once it is closed numbers cannot be pressed, and the next desktop goes on with the calls', () => {
    const one = site()
    one.hear(told('new', call('Ringing')))
    one.hear(told('changed', call('Established')))
    expect(methods(one.take({ kind: 'closed' }))).toEqual(['disableClickToDial'])
    expect(one.state.phase).toBe('waiting')
    expect(methods(one.take({ kind: 'clicked', payload: { number: '1' } }))).toEqual(['setSoftphonePanelVisibility', 'says not-at-work'])
    one.at += 20_000
    const result = { agent: {}, calls: [call('Established')], crm: { origins: [ORG], settings: {} } }
    expect(methods(one.hear({ id: 'hello', ok: true, result }))).toEqual(['enableClickToDial'])
    expect(logs(one.hear(told('changed', call('Released'))))).toMatchObject([{ CallDurationInSeconds: 20 }])
    expect(methods(site({}, null).take({ kind: 'closed' }))).toEqual([])
  })
})

describe('a number that is pressed', () => {
  test('is called, and the call stays with its record', () => {
    const one = site()
    const actions = one.take({ kind: 'clicked', payload: { number: '(030) 99', recordId: CONTACT, objectType: 'Contact' } })
    expect(actions.at(-1)).toEqual({ to: 'desk', id: 'dial', method: 'dial', params: { number: '(030) 99', data: { SalesforceRecordId: CONTACT } } })
    one.hear(told('new', call('Dialing', { type: 'Outbound', number: '+493099', data: { SalesforceRecordId: CONTACT } })))
    expect(toOrg(one.done, 'searchAndScreenPop')).toEqual([])
    const [log] = logs(one.hear(told('changed', call('Released', { type: 'Outbound', number: '+493099', data: { SalesforceRecordId: CONTACT } }))))
    expect(log).toMatchObject({ Subject: 'Call to +493099', CallType: 'Outbound', CallDurationInSeconds: 0, WhoId: CONTACT })
  })
  test('without a record, or with what is none, is called too', () => {
    const one = site()
    for (const recordId of [undefined, '', 'x', `${CONTACT}'`]) expect(one.take({ kind: 'clicked', payload: { number: '1', recordId } }).at(-1)).toMatchObject({ params: { data: {} } })
  })
  test('is not called while nobody is at work, and a refusal is told', () => {
    expect(methods(site({}, null).take({ kind: 'clicked', payload: { number: '1' } }))).toEqual(['setSoftphonePanelVisibility', 'says not-at-work'])
    const one = site()
    expect(methods(one.take({ kind: 'clicked', payload: {} }))).toContain('says wrong-number')
    expect(methods(one.hear({ id: 'dial', ok: false, error: 'wrong-params' }))).toEqual(['says wrong-number'])
    expect(methods(one.hear({ id: 'dial', ok: false, error: 'refused' }))).toEqual(['says not-dialled'])
    expect(one.hear({ id: 'dial', ok: true })).toEqual([])
  })
})

describe('a call that rings', () => {
  test('shows the softphone and what is found by its number, once', () => {
    const one = site()
    const actions = one.hear(told('new', call('Ringing')))
    expect(methods(actions)).toEqual(['setSoftphonePanelVisibility', 'searchAndScreenPop'])
    expect(toOrg(actions, 'searchAndScreenPop')).toEqual([{ searchParams: '+4930123456', queryParams: '', callType: 'INBOUND', deferred: false }])
    expect(one.hear(told('changed', call('Ringing', { data: { Note: 'x' } })))).toEqual([])
    expect(one.hear(told('changed', call('Established')))).toEqual([])
  })
  test('is looked for by the first of the keys that it has', () => {
    const searched = (data: object): unknown => toOrg(site({ 'salesforce.screen-pop.keys': 'CaseNumber, CustomerId' }).hear(told('new', call('Ringing', { data }))), 'searchAndScreenPop').map((params) => (params as { searchParams: string }).searchParams)
    expect([searched({ CustomerId: '4711' }), searched({ CustomerId: '4711', CaseNumber: '99' }), searched({ CaseNumber: ' ', Other: '1' })]).toEqual([['4711'], ['99'], ['+4930123456']])
  })
  test('opens the record that another agent had', () => {
    const actions = site().hear(told('new', call('Ringing', { data: { SalesforceRecordId: CASE } })))
    expect(toOrg(actions, 'screenPop')).toEqual([{ type: 'SOBJECT', params: { recordId: CASE } }])
  })
  test('without a number opens nothing, and none that is no caller does', () => {
    expect(methods(site().hear(told('new', call('Ringing', { number: '' }))))).toEqual(['setSoftphonePanelVisibility'])
    for (const type of ['Internal', 'Consult']) expect(methods(site().hear(told('new', call('Ringing', { type })))), type).toEqual(['setSoftphonePanelVisibility'])
  })
  test('when the page is loaded is found too, and whoever talks by then is not popped again', () => {
    const one = site()
    const result = { agent: {}, crm: { origins: [ORG], settings: {} }, calls: [call('Ringing'), call('Established', { id: '02', since: BEGAN - 30_000 }), call('Released', { id: '03' })] }
    expect(methods(one.hear({ id: 'hello', ok: true, result }))).toEqual(['setSoftphonePanelVisibility', 'searchAndScreenPop'])
    expect(logs(one.hear(told('gone', { id: '03' }))), 'what the page before has logged').toEqual([])
    expect(logs(one.hear(told('gone', { id: '02' })))).toMatchObject([{ CallDurationInSeconds: 30 }])
  })
})

describe('a call that ends', () => {
  const talked = (one: Site, ms = 65_000): void => {
    one.hear(told('new', call('Ringing')))
    one.hear(told('changed', call('Established')))
    one.at += ms
  }
  test('is logged with what it was and how long it lasted, about the record that was found', () => {
    const one = site()
    talked(one)
    one.take({ kind: 'found', call: '01', answer: { success: true, returnValue: { [CONTACT]: { Name: 'Ines' } } } })
    expect(logs(one.hear(told('changed', call('Released'))))).toEqual([
      { entityApiName: 'Task', TaskSubtype: 'Call', Subject: 'Call from +4930123456', Status: 'Completed', ActivityDate: expect.stringMatching(/^2031-05-(09|10)$/), CallType: 'Inbound', CallDurationInSeconds: 65, CallObject: 'U1', WhoId: CONTACT },
    ])
    one.take({ kind: 'saved', call: '01', answer: { success: true, returnValue: { recordId: '00T000000000001AAA' } } })
    expect(logs(one.hear(told('gone', { id: '01' }))), 'nothing new').toEqual([])
    expect(one.state.calls.size).toBe(0)
  })
  test('gets its result in the same log once the agent has wrapped up', () => {
    const one = site({ 'interaction.disposition.key-name': 'Result' })
    talked(one)
    one.hear(told('changed', call('Released')))
    one.at += 20_000
    one.hear(told('changed', call('Released', { data: { Result: 'sold', DispositionCode: 'other' } })))
    // What was saved first is known only after the call has gone.
    expect(logs(one.hear(told('gone', { id: '01' })))).toEqual([])
    const [log] = logs(one.take({ kind: 'saved', call: '01', answer: { success: true, returnValue: { recordId: '00T000000000001AAA' } } }))
    expect(log).toMatchObject({ Id: '00T000000000001AAA', CallDisposition: 'sold', CallDurationInSeconds: 65 })
    expect(log).not.toHaveProperty('TaskSubtype')
    one.take({ kind: 'saved', call: '01', answer: { success: true, returnValue: { recordId: '00T000000000001AAA' } } })
    expect(one.state.calls.size).toBe(0)
  })
  test('is about the one of several records at which the agent has looked', () => {
    const one = site()
    talked(one)
    one.take({ kind: 'found', call: '01', answer: { success: true, returnValue: { [CONTACT]: {}, [CASE]: {} } } })
    one.take({ kind: 'looked', payload: { recordId: '001000000000009AAA' } })
    expect(logs(one.hear(told('changed', call('Released'))))[0]).not.toHaveProperty('WhoId')
    one.take({ kind: 'saved', call: '01', answer: { success: true, returnValue: { recordId: '00T000000000001AAA' } } })
    one.take({ kind: 'looked', payload: { recordId: CASE } })
    expect(logs(one.hear(told('gone', { id: '01' })))).toMatchObject([{ Id: '00T000000000001AAA', WhatId: CASE }])
  })
  test('and comes back, as one that was parked, is the same log, with both talks and not the time between', () => {
    const one = site()
    talked(one, 30_000)
    one.hear(told('changed', call('Released')))
    one.take({ kind: 'saved', call: '01', answer: { success: true, returnValue: { recordId: '00T000000000001AAA' } } })
    one.at += 100_000
    one.hear(told('changed', call('Ringing')))
    one.at += 5_000
    one.hear(told('changed', call('Established')))
    one.at += 600_000
    one.hear(told('changed', call('Released')))
    one.at += 9_000
    expect(logs(one.hear(told('gone', { id: '01' })))).toMatchObject([{ Id: '00T000000000001AAA', CallDurationInSeconds: 630 }])
  })
  test('and rings again, but is not taken, is as long as it was', () => {
    const one = site()
    talked(one, 30_000)
    for (const state of ['Released', 'Ringing', 'Released']) {
      one.hear(told('changed', call(state)))
      one.at += 40_000
    }
    one.take({ kind: 'saved', call: '01', answer: { success: true, returnValue: { recordId: '00T000000000001AAA' } } })
    expect(logs(one.hear(told('gone', { id: '01' }))), 'nothing new').toEqual([])
  })
  test('that could not be logged is told, and tried once more', () => {
    const one = site()
    talked(one)
    one.hear(told('changed', call('Released')))
    expect(methods(one.take({ kind: 'saved', call: '01', answer: { success: false, errors: [{}] } }))).toEqual(['says not-saved'])
    expect(logs(one.hear(told('changed', call('Released', { data: { Note: 'x' } })))), 'not with each change').toEqual([])
    expect(logs(one.hear(told('gone', { id: '01' })))).toHaveLength(1)
    expect(methods(one.take({ kind: 'saved', call: '01', answer: { success: false } }))).toEqual(['says not-saved'])
    expect(one.state.calls.size).toBe(0)
  })
  test('is not logged where nobody has answered it here, and no consultation is', () => {
    const one = site()
    one.hear(told('new', call('Ringing')))
    expect(logs(one.hear(told('gone', { id: '01' })))).toEqual([])
    one.hear(told('new', call('Established', { type: 'Consult' })))
    expect(logs(one.hear(told('changed', call('Released', { type: 'Consult' }))))).toEqual([])
    expect(logs(one.hear(told('gone', { id: '01' })))).toEqual([])
    expect(one.state.calls.size).toBe(0)
  })
  test('goes on under another id after a transfer, as one call', () => {
    const one = site()
    talked(one)
    one.hear(told('new', call('Established', { id: '02', previous: '01' })))
    expect(one.state.calls.get('02')?.first, 'by what pages of an org agree on it').toBe('01')
    expect(logs(one.hear(told('gone', { id: '01' })))).toEqual([])
    one.at += 10_000
    expect(logs(one.hear(told('changed', call('Released', { id: '02', previous: '01' }))))).toMatchObject([{ CallDurationInSeconds: 75 }])
  })
  test('that the desktop has no more when it comes back is logged', () => {
    const one = site()
    talked(one, 5_000)
    expect(logs(one.hear({ id: 'hello', ok: true, result: { agent: {}, calls: [], crm: { origins: [ORG], settings: {} } } }))).toMatchObject([{ CallDurationInSeconds: 5 }])
  })
})
