import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../api/agent-setup'
import { addTexts } from '../../lib/i18n'
import { drawn, nothing, section } from './drawn-for-tests'
import type { FieldFaults } from './faults'
import { toDraft } from './form'
import { formOf } from './forms'
import { ObjectForm } from './ObjectForm'

await addTexts('agent-setup')
await addTexts('agent-setup-forms')

function form(path: string, object: JsonObject, faults: FieldFaults = {}): string {
  const groups = formOf(section(path))
  return drawn(<ObjectForm tenant="example" groups={groups} draft={toDraft(groups, object)} isNew={false} isFrozen={false} faults={faults} wayOut={null} onChange={nothing} />)
}

const fieldsIn = (html: string): readonly (string | undefined)[] => [...html.matchAll(/data-field="field-([a-z_-]+)"/g)].map(([, name]) => name)

describe('the form of a statistic', () => {
  const inTime = { name: 'In time', category: 'ServiceFactor1', subject: 'DNAction', objects: ['RoutePoint'], main: ['CallAnswered', 'Lunch'], relative: ['CallAbandoned'], range_to_s: 20 }
  test('suggests names by what they say, and says it of those that are chosen', () => {
    const html = form('statistic-definitions', inTime)
    expect(html).toContain('<option value="CallMissed" label="the ringing ended without an answer"></option>')
    expect(html).toMatch(/<li[^>]*>CallAnswered<span[^>]*>a call was answered<\/span><button[^>]*aria-label="Remove CallAnswered"/)
    // One that is not known says nothing, and can be removed.
    expect(html).toMatch(/<li[^>]*>Lunch<button[^>]*aria-label="Remove Lunch"/)
    expect(html).toMatch(/<option value="ServiceFactor1" selected="">Service level \(ServiceFactor1\)<\/option>/)
  })
  test('leads from a fault to the input that adds a name', () => {
    const html = form('statistic-definitions', inTime, { main: ['There is no such name: Lunch.'] })
    expect(html).toContain('href="#field-main"')
    expect(html).toMatch(/<fieldset[^>]*aria-describedby="field-main-hint field-main-fault"/)
    expect(html).toMatch(/<input id="field-main" aria-label="Add to: Actions that are counted" aria-invalid="true"/)
  })
  test('has the fields that its category means', () => {
    expect(fieldsIn(form('statistic-definitions', inTime))).toEqual(['name', 'description', 'category', 'subject', 'profile', 'resets', 'range_from_s', 'range_to_s', 'short_abandon_s', 'filter', 'folder'])
    const now = form('statistic-definitions', { ...inTime, category: 'CurrentNumber' })
    expect(fieldsIn(now)).toEqual(['name', 'description', 'category', 'subject', 'folder'])
    // Without an empty frame.
    expect(now).not.toContain('What counts')
  })
  test('shows a category that it does not know as it is', () => {
    expect(form('statistic-definitions', { ...inTime, category: 'LoadBalance' })).toContain('<option value="LoadBalance" selected="">LoadBalance</option>')
  })
})

test('the form of an IVR profile asks for what the profile runs', () => {
  expect(fieldsIn(form('ivr-profiles', { name: 'Menu', service_type: 'scxml' })).slice(0, 3)).toEqual(['name', 'service_type', 'application'])
  expect(fieldsIn(form('ivr-profiles', { name: 'Menu', service_type: 'voicexml' })).slice(0, 3)).toEqual(['name', 'service_type', 'initial_page_url'])
})

test('a member of a group of DNs that is at fault is marked at its cell', () => {
  const html = form('dn-groups', { name: 'Entries', type: 'routing_points', members: [{ dn: '9000', weight: 1 }, { dn: '7101', weight: 1 }] }, { members: ['odd'], 'members[1].dn': ['odd'] })
  expect(html).toContain('href="#field-members[1]-dn"')
  expect([...html.matchAll(/<input id="field-members\[(\d)\]-dn" aria-invalid="true"/g)].map(([, row]) => row)).toEqual(['1'])
})

test('a transaction has its sections folded, and a group of places its members in their order', () => {
  expect(form('transactions', { name: 'Short', type: 'time_range', sections: { range: { from: '0', to: '20' } } })).toMatch(/<details data-section="true"[^>]*><summary>range <span[^>]*>2 values<\/span><\/summary><\/details>/)
  const places = form('place-groups', { name: 'Floor 2', places: ['P7102', 'P7101'] })
  expect([...places.matchAll(/aria-label="Remove ([^"]*)"/g)].map(([, name]) => name)).toEqual(['P7102', 'P7101'])
})
