/** Groups of places and DNs, transactions, IVR profiles and statistics: what their forms ask for, what is sent of them, and what goes. */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../api/agent-setup'
import { addTexts } from '../../lib/i18n'
import { isSame } from './document'
import { creation, update } from './edits'
import { ownFaults, serverFaults } from './faults'
import { shownDifferences, wordsOfDifference } from './field-names'
import { hiddenSince, shownFields, typedOf, type Draft, type Group } from './fields'
import { toDraft, toObject } from './form'
import { DN_GROUP, IVR_PROFILE, TRANSACTION } from './kinds/further'
import { PLACE_GROUP } from './kinds/groups'
import { ACTIONS, CATEGORIES, OBJECT_TYPES, SUBJECTS } from './kinds/statistic-names'
import { STATISTIC_DEFINITION } from './kinds/statistics'

await addTexts('agent-setup')
await addTexts('agent-setup-forms')

const stored = (object: JsonObject) => ({ id: String(object['name']), revision: 7, object })
const shown = (groups: readonly Group[], draft: Draft): readonly string[] => shownFields(groups, draft).map(({ path }) => path)
const engine = (file: string): string => readFileSync(fileURLToPath(new URL(`../../../../crates/stats/src/${file}`, import.meta.url)), 'utf8')

const places = { name: 'Floor 2', places: ['P7101', 'P7102'] }
const dns = { name: 'Entries', type: 'routing_points', members: [{ dn: '9000', weight: 2 }, { dn: '9001', weight: 1 }] }
const menu = { name: 'Menu', service_type: 'scxml', application: 'support', initial_page_url: null, policies: { calls_max: null, duration_max_s: 600, transfers: true, outgoing_calls: false } }
const short = { name: 'Short', type: 'time_range', alias: 'Short calls', sections: { range: { from: '0', to: '20' } } }
const inTime = {
  name: 'In time',
  category: 'ServiceFactor1',
  subject: 'DNAction',
  objects: ['RoutePoint'],
  main: ['CallAnswered'],
  relative: ['CallAbandoned'],
  profile: 'growing',
  resets: null,
  window_s: null,
  step_s: null,
  range_from_s: null,
  range_to_s: 20,
  short_abandon_s: 5,
  filter: null,
  description: null,
}

test.each([
  ['place_group', PLACE_GROUP, places],
  ['dn_group', DN_GROUP, dns],
  ['transaction', TRANSACTION, short],
  ['ivr_profile', IVR_PROFILE, menu],
  ['statistic_definition', STATISTIC_DEFINITION, inTime],
] as const)('a %s that nobody has touched is what it was, without a fault', (kind, groups, object) => {
  const draft = toDraft(groups, object)
  expect(toObject(groups, draft, object)).toEqual(object)
  expect(update(kind, stored(object), toObject(groups, draft, object))).toBeUndefined()
  expect(ownFaults(groups, draft, false)).toEqual({})
  // Made anew of the same words it says the same.
  expect(isSame(creation(kind, object.name, toObject(groups, draft, null)).object, object)).toBe(true)
})

describe('statistics', () => {
  const draft = toDraft(STATISTIC_DEFINITION, inTime)
  const begun = { ...toDraft(STATISTIC_DEFINITION, {}), name: 'Calls' }
  const edit = (of: Draft) => update('statistic_definition', stored(inTime), toObject(STATISTIC_DEFINITION, of, inTime))
  test('have the names that the engine computes', () => {
    const computed = [...engine('definition.rs').matchAll(/\b(\w+) true,/g)].map(([, name]) => name)
    expect(computed).toEqual([...OBJECT_TYPES, ...CATEGORIES, ...SUBJECTS].map(([name]) => name))
    const actions = [...engine('action.rs').matchAll(/^ {4}(\w+) (?:Durable|Instantaneous|Retrospective) "/gm)].map(([, name]) => name)
    expect(actions).toEqual(ACTIONS.map(([name]) => name))
  })
  test('ask for what their category means, and for nothing else', () => {
    const asked = (category: string, more: Draft = {}) => shown(STATISTIC_DEFINITION, { ...begun, category, ...more }).slice(5)
    expect(asked('TotalNumber')).toEqual(['main', 'profile', 'resets', 'filter'])
    expect(asked('TotalNumber', { profile: 'sliding' })).toEqual(['main', 'profile', 'window_s', 'step_s', 'filter'])
    expect(asked('TotalAdjustedTime')).toEqual(['main', 'profile', 'resets'])
    expect(asked('AverageTime')).toEqual(['main', 'relative', 'profile', 'resets', 'filter'])
    expect(asked('ServiceFactor1')).toEqual(['main', 'relative', 'profile', 'resets', 'range_from_s', 'range_to_s', 'short_abandon_s', 'filter'])
    expect(asked('CurrentNumber')).toEqual(['main'])
    expect(asked('CurrentNumberInTimeRange')).toEqual(['main', 'range_from_s', 'range_to_s'])
    expect(asked('CurrentState')).toEqual([])
  })
  test('say at each field what is needed, and which name there is not', () => {
    const needed = ['It is needed.']
    expect(ownFaults(STATISTIC_DEFINITION, begun, true)).toEqual({ objects: needed, main: needed })
    expect(ownFaults(STATISTIC_DEFINITION, { ...begun, category: 'ServiceFactor1' }, true)).toEqual({ objects: needed, main: needed, relative: needed, range_to_s: needed })
    // To compare averages with is no duty.
    expect(ownFaults(STATISTIC_DEFINITION, { ...begun, category: 'AverageTime', objects: ['Agent'], main: ['CallInbound'] }, true)).toEqual({})
    const typed = { ...begun, objects: ['Agent'], main: ['CallInbound'], [typedOf('main')]: ' Lunch ' }
    expect(ownFaults(STATISTIC_DEFINITION, typed, true)).toEqual({ main: ['There is no such name: Lunch.'] })
    expect(toObject(STATISTIC_DEFINITION, { ...typed, [typedOf('main')]: ' CallMissed ' }, null)).toMatchObject({ main: ['CallInbound', 'CallMissed'] })
  })
  test('lose what means nothing beside another category, and keep the rest', () => {
    expect(edit({ ...draft, category: 'TotalNumber' })).toMatchObject({ fields: ['category', 'relative', 'range_to_s', 'short_abandon_s'], object: { category: 'TotalNumber', relative: null, range_to_s: null, short_abandon_s: null } })
    expect(edit({ ...draft, category: 'CurrentNumber' })?.fields).toEqual(['category', 'relative', 'profile', 'range_to_s', 'short_abandon_s'])
    // Chosen by mistake and chosen back, nothing is lost.
    expect(edit({ ...draft, category: 'ServiceFactor1' })).toBeUndefined()
    expect(edit({ ...draft, profile: 'sliding', window_s: '3600', step_s: '60' })).toMatchObject({ fields: ['profile', 'window_s', 'step_s'], object: { profile: 'sliding', window_s: 3_600, step_s: 60 } })
  })
  test('are shown with their words before a change', () => {
    const [found] = shownDifferences({ kind: 'statistic_definition', id: 'In time', before: inTime, after: { ...inTime, category: 'TotalNumber' } })
    expect(found === undefined ? undefined : wordsOfDifference('statistic_definition', found)).toEqual(['Service level (ServiceFactor1)', 'How often (TotalNumber)'])
  })
  test('have what the server says at the field that it names', () => {
    const fault = { kind: 'statistic_definition', id: 'In time', rule: '' } as const
    const said = serverFaults(STATISTIC_DEFINITION, draft, 'In time', [
      { ...fault, field: 'category', code: 'statistic', values: { why: 'the main mask is empty' } },
      { ...fault, field: 'range_to_s', code: 'out_of_range', values: { least: '30', most: '604800' } },
    ])
    expect(said).toEqual({ category: ['The statistics engine does not compute this: the main mask is empty'], range_to_s: ['It is a number from 30 to 604800.'] })
  })
})

describe('IVR profiles', () => {
  const draft = toDraft(IVR_PROFILE, menu)
  test('have an application or a first page', () => {
    expect(ownFaults(IVR_PROFILE, { ...toDraft(IVR_PROFILE, {}), name: 'Menu' }, true)).toEqual({ application: ['It is needed.'] })
    expect(ownFaults(IVR_PROFILE, { ...draft, service_type: 'voicexml' }, false)).toEqual({ initial_page_url: ['It is needed.'] })
    expect(shown(IVR_PROFILE, { ...draft, service_type: 'voicexml' })).not.toContain('application')
  })
  test('give up the one for the other', () => {
    const edit = update('ivr_profile', stored(menu), toObject(IVR_PROFILE, { ...draft, service_type: 'voicexml', initial_page_url: 'https://ivr.example/' }, menu))
    expect(edit?.object).toEqual({ service_type: 'voicexml', application: null, initial_page_url: 'https://ivr.example/' })
  })
})

test('what was hidden from the beginning stays, and so does what stands elsewhere in the form', () => {
  const groups: readonly Group[] = [
    { title: 'setup.name', fields: [{ kind: 'text', path: 'a', label: 'setup.name' }] },
    { title: 'setup.name', when: { path: 'a', is: ['one'] }, fields: [{ kind: 'text', path: 'b', label: 'setup.name' }, { kind: 'text', path: 'c', label: 'setup.name' }] },
    { title: 'setup.name', when: { path: 'a', is: ['two'] }, fields: [{ kind: 'text', path: 'b', label: 'setup.name' }, { kind: 'text', path: 'd', label: 'setup.name' }] },
  ]
  const object = { a: 'one', b: 'B', c: 'C', d: 'D' }
  const draft = toDraft(groups, object)
  expect(toObject(groups, draft, object)).toEqual(object)
  expect(hiddenSince(groups, draft, { ...draft, a: 'two' })).toEqual(['c'])
  expect(toObject(groups, { ...draft, a: 'two' }, object)).toEqual({ a: 'two', b: 'B', c: null, d: 'D' })
  expect(toObject(groups, { ...draft, a: 'three' }, object)).toEqual({ a: 'three', b: null, c: null, d: 'D' })
})
