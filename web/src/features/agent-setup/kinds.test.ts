/** Groups, reasons, lists and business attributes: their forms, what is sent of them, and what is said of them. */

import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../api/agent-setup'
import { addTexts } from '../../lib/i18n'
import { at, changedPaths, differences, isSame } from './document'
import { update } from './edits'
import { ownFaults, serverFaults } from './faults'
import { shownDifferences, nameOfField } from './field-names'
import { rowsIn, sectionsIn, typedOf } from './fields'
import { toDraft, toObject } from './form'
import { CALLING_LIST, CAPACITY_RULE, DN_GROUP } from './kinds/further'
import { AGENT_GROUP, PLACE_GROUP } from './kinds/groups'
import { ACTION_CODE, BUSINESS_ATTRIBUTE, LIST } from './kinds/lookup'
import { movedTo } from './order'
import { SECTIONS } from './sections'

await addTexts('agent-setup')
await addTexts('agent-setup-forms')

const stored = (object: JsonObject) => ({ id: 'x', revision: 7, object })

test('every section has an address, a form and a shortcut of its own', () => {
  for (const of of [SECTIONS.map(({ path }) => path), SECTIONS.map(({ key }) => key)]) expect(new Set(of).size).toBe(of.length)
  // Those of the frame, and that of the API keys, come behind the same letter.
  expect(SECTIONS.filter(({ key }) => ['a', 'd', 'g', 'k'].includes(key))).toEqual([])
})

describe('groups', () => {
  const team = { name: 'Day team', agents: ['ann'], expression: null, managers: [] }
  test('have members by name, or by an expression', () => {
    expect(toObject(AGENT_GROUP, toDraft(AGENT_GROUP, team), team)).toEqual(team)
    const typed = { ...toDraft(AGENT_GROUP, team), [typedOf('agents')]: 'bob' }
    expect(update('agent_group', stored(team), toObject(AGENT_GROUP, typed, team))).toMatchObject({ fields: ['agents'], object: { agents: ['ann', 'bob'] } })
    const fit = { ...toDraft(AGENT_GROUP, {}), name: 'Seniors', expression: ' Sales >= 5 ' }
    expect(toObject(AGENT_GROUP, fit, null)).toEqual({ name: 'Seniors', agents: [], expression: 'Sales >= 5', managers: [] })
    expect(ownFaults(PLACE_GROUP, { ...toDraft(PLACE_GROUP, {}), name: 'Floor 2' }, true)).toEqual({})
  })
  test('say at the expression what is wrong with it', () => {
    const fault = { kind: 'agent_group', id: 'Day team', field: 'expression', rule: '' } as const
    expect(
      serverFaults(AGENT_GROUP, toDraft(AGENT_GROUP, team), 'Day team', [
        { ...fault, code: 'only_without', values: { field: 'agents' } },
        { ...fault, code: 'unknown', values: { kind: 'skill', id: 'Patience' } },
      ]),
    ).toEqual({ expression: ['It has a meaning only without “Agents”.', 'Skill Patience does not exist.'] })
  })
})

test('a reason has a place in the order, or none', () => {
  const draft = { ...toDraft(ACTION_CODE, {}), code: '1', name: 'Lunch' }
  expect(toObject(ACTION_CODE, draft, null)).toEqual({ code: '1', name: 'Lunch', order: null, action: 'not_ready', subcodes: [] })
  expect(toObject(ACTION_CODE, { ...draft, order: '3' }, null)).toMatchObject({ order: 3 })
  expect(toObject(ACTION_CODE, { ...draft, action: 'logout', subcodes: [{ code: 'a', name: 'Early' }] }, null)).toMatchObject({ action: 'logout', subcodes: [{ code: 'a', name: 'Early' }] })
  expect(ownFaults(ACTION_CODE, { ...draft, name: '', order: '70000' }, true)).toEqual({ name: ['It is needed.'], order: ['It is a whole number from 0 to 65535.'] })
})

describe('lists', () => {
  const list = { name: 'Branches', sections: { berlin: { open: '09:00', greeting: ' de' }, paris: { open: '08:30' }, empty: {} } }
  const draft = toDraft(LIST, list)
  const sections = sectionsIn(draft, 'sections')
  const edit = (of: typeof sections, from: JsonObject = list) => update('list', stored(from), toObject(LIST, { ...toDraft(LIST, from), sections: of }, from))
  test('what nobody has touched is what it was', () => {
    expect(toObject(LIST, draft, list)).toEqual(list)
    // In another order, and with a section that says nothing, it is the same.
    expect(edit([...[...sections].reverse(), { name: ' ', entries: [{ key: '', value: '' }] }])).toBeUndefined()
  })
  test('the value that is touched is the only one that is sent, and what is removed is named', () => {
    const typed = sections.map((one) => (one.name === 'berlin' ? { ...one, entries: [{ key: 'open', value: ' 10:00 ' }, ...one.entries.slice(1)] } : one))
    expect(edit(typed)).toMatchObject({ fields: ['sections.berlin.open'], object: { sections: { berlin: { open: '10:00' } } } })
    const gone = edit(sections.filter(({ name }) => name !== 'paris').map((one) => ({ ...one, entries: one.entries.slice(1) })))
    expect(gone).toMatchObject({ fields: ['sections.berlin.open', 'sections.paris'], object: { sections: { berlin: { open: null }, paris: null } } })
  })
  test('names with dots are sent with what they stand in', () => {
    const dotted = { name: 'Branches', sections: { berlin: { 'open.at': '09:00' }, paris: { open: '08:30' } } }
    const of = sectionsIn(toDraft(LIST, dotted), 'sections')
    expect(edit(of.map((one) => ({ ...one, entries: one.entries.map((entry) => ({ ...entry, value: '11:00' })) })), dotted)?.fields).toEqual(['sections.berlin', 'sections.paris.open'])
    const added = edit([...of, { name: 'st.gallen', entries: [] }], dotted)
    expect(added).toMatchObject({ fields: ['sections'], object: { sections: { ...dotted.sections, 'st.gallen': {} } } })
  })
  test('more changes than fit into an edit are sent by their sections', () => {
    const many = Array.from({ length: 65 }, (_, index) => ({ key: `k${index}`, value: 'v' }))
    const edited = edit(sections.map((one) => (one.name === 'empty' ? one : { ...one, entries: many })))
    expect(edited?.fields).toEqual(['sections.berlin', 'sections.paris'])
    expect(Object.keys(at(edited?.object, 'sections.paris') ?? {})).toHaveLength(65)
  })
  test('names that every object has in JavaScript are names as others', () => {
    const odd = JSON.parse('{"name": "Odd", "sections": {"constructor": {"toString": "a"}, "__proto__": {"x": "b"}}}') as JsonObject
    expect(isSame(odd, { name: 'Odd', sections: {} })).toBe(false)
    expect(changedPaths({ sections: {} }, odd)).toEqual(['sections.constructor', 'sections.__proto__', 'name'])
    expect(differences({ sections: {} }, odd).map(({ path }) => path)).toEqual(['sections.constructor.toString', 'sections.__proto__.x', 'name'])
    expect(edit(sectionsIn(toDraft(LIST, odd), 'sections'), odd)).toBeUndefined()
  })
  test('faults say which section and which key', () => {
    const faults = (of: typeof sections) => ownFaults(LIST, { ...draft, sections: of }, false)['sections']
    expect(faults(sections)).toBeUndefined()
    expect(faults([...sections, { name: '', entries: [{ key: 'a', value: 'b' }] }])).toEqual(['A section has no name.'])
    expect(faults([...sections, { name: 'paris ', entries: [] }])).toEqual(['paris stands there twice.'])
    expect(faults([{ name: 'rome', entries: [{ key: 'open', value: '' }] }])).toEqual(['rome: open has no value.'])
    expect(faults([{ name: 'rome', entries: [{ key: '', value: 'x' }] }])).toEqual(['rome: A value has no key.'])
    expect(faults([{ name: 'rome', entries: [{ key: 'a', value: 'x' }, { key: 'a', value: 'y' }] }])).toEqual(['rome: a stands there twice.'])
    const fault = { kind: 'list', id: 'Branches', rule: '', code: 'too_long', values: { most: '1024' } } as const
    expect(serverFaults(LIST, draft, 'Branches', [{ ...fault, field: 'sections.berlin.open' }])).toEqual({ sections: ['berlin.open: It is too long: at most 1024 bytes.'] })
  })
  test('a difference says of which section and key it is', () => {
    const [found] = shownDifferences({ kind: 'list', id: 'Branches', before: list, after: { ...list, sections: { ...list.sections, paris: { open: '09:00' } } } })
    expect(found === undefined ? undefined : [nameOfField('list', found.path), found.before, found.after]).toEqual(['Sections: paris.open', '08:30', '09:00'])
  })
})

describe('what came last', () => {
  test('a treatment has minutes or none, and a member a weight', () => {
    const list = { name: 'Spring', fields: [{ name: 'mobile', type: 'phone' }], source: null, schedule: null, attempts_max: 3, treatments: [{ result: 'busy', action: 'retry', after_min: 10 }, { result: 'fax', action: 'hang_up', after_min: null }] }
    const draft = toDraft(CALLING_LIST, list)
    expect(toObject(CALLING_LIST, draft, list)).toEqual(list)
    expect(ownFaults(CALLING_LIST, draft, false)).toEqual({})
    expect(toObject(CALLING_LIST, draft, null)).toEqual(list)
    const group = { ...toDraft(DN_GROUP, {}), name: 'Entries', members: [{ dn: '9000', weight: '' }] }
    expect(ownFaults(DN_GROUP, group, true)).toEqual({ members: ['Weight, row 1: It is needed.'], 'members[0].weight': ['Weight, row 1: It is needed.'] })
  })
  test('a medium that is left empty is none', () => {
    expect(toObject(CAPACITY_RULE, { ...toDraft(CAPACITY_RULE, {}), name: 'Blended', 'media.voice': '1' }, null)).toEqual({ name: 'Blended', media: { voice: 1, chat: null, email: null, sms: null, video: null, work_item: null } })
  })
  test('faults of what is computed and of what may be a member are said in words', () => {
    const said = (kind: string, field: string, code: 'dn_type' | 'statistic', values: Readonly<Record<string, string>>) => serverFaults(DN_GROUP, toDraft(DN_GROUP, {}), 'x', [{ kind, id: 'x', field, rule: '', code, values }])
    expect(said('dn_group', 'members', 'dn_type', { id: '9000', names: 'extension' })).toEqual({ members: ['DN 9000 is of another type. Here may be: Phone.'] })
    expect(Object.values(said('dn_group', '', 'statistic', { why: 'the main mask is empty' })).flat()).toEqual(['The statistics engine does not compute this: the main mask is empty'])
  })
})

describe('business attributes', () => {
  const language = { name: 'Language', values: [{ value: 'en', display_name: 'English' }, { value: 'de', display_name: null }], default: 'en' }
  const draft = toDraft(BUSINESS_ATTRIBUTE, language)
  test('keep their values in the order of the form', () => {
    expect(toObject(BUSINESS_ATTRIBUTE, draft, language)).toEqual(language)
    const turned = { ...draft, values: movedTo(rowsIn(draft, 'values'), 1, 0) }
    expect(toObject(BUSINESS_ATTRIBUTE, turned, language)).toMatchObject({ values: [{ value: 'de', display_name: null }, { value: 'en', display_name: 'English' }] })
    expect(toObject(BUSINESS_ATTRIBUTE, { ...toDraft(BUSINESS_ATTRIBUTE, {}), name: 'Segment' }, null)).toEqual({ name: 'Segment', values: [], default: null, enforced: false, attach_default: false })
  })
  test('have a default that is one of them, and no value without a name', () => {
    expect(ownFaults(BUSINESS_ATTRIBUTE, draft, false)).toEqual({})
    expect(ownFaults(BUSINESS_ATTRIBUTE, { ...draft, default: 'fr' }, false)).toEqual({ default: ['It is none of the values above.'] })
    expect(ownFaults(BUSINESS_ATTRIBUTE, { ...draft, default: '', values: [{ value: '', display_name: 'Nothing' }] }, false)).toEqual({ values: ['Value, row 1: It is needed.'], 'values[0].value': ['Value, row 1: It is needed.'] })
  })
})
