import { describe, expect, test } from 'vitest'
import { addTexts } from '../../lib/i18n'
import { changedPaths, differences, isSame, merged, withAt } from './document'
import { faultyCells, ownFaults, serverFaults } from './faults'
import { shownFields, switchOf, typedOf } from './fields'
import { shownDifferences, wordsOfDifference, wordsOfField } from './field-names'
import { toDraft, toObject, wholeOf } from './form'
import { dnGroups } from './kinds/dn'
import { DN_TYPES } from './kinds/options'
import { PLACE, SCHEDULE } from './kinds/others'
import { PERSON } from './kinds/person'
import { TRUNK } from './kinds/trunk'
import { neighbourOf } from './neighbour'
import { newSecrets, onlySecrets, removedSecrets } from './secrets'

await addTexts('agent-setup')
await addTexts('agent-setup-forms')

const agent = { id: 'a1', login_code: 'a1', default_place: 'P1', wrap_up_s: null, skills: [{ skill: 'Sales', level: 5 }] }
const ann = { user_name: 'ann', first_name: 'Ann', last_name: 'Archer', agent, email: null, privileges: ['agent'], disabled: false, unknown: { kept: 1 } }
const nobody = { ...toDraft(PERSON, {}), user_name: 'new.one', first_name: 'New', last_name: 'One' }

describe('documents', () => {
  test('what is absent and what is null say the same', () => {
    expect(isSame({ a: null, b: [1] }, { b: [1] })).toBe(true)
    expect(isSame({ a: 0 }, {})).toBe(false)
    expect(differences({ a: null }, {})).toEqual([])
  })
  test('an object that comes is shown by its parts, and is one field of a change', () => {
    const after = { ...ann, agent: null }
    expect(changedPaths(after, ann)).toEqual(['agent'])
    expect(differences(after, ann).map(({ path }) => path)).toEqual(['agent.id', 'agent.login_code', 'agent.default_place', 'agent.skills'])
    expect(differences(null, { name: 'Sales' })).toEqual([{ path: 'name', before: undefined, after: 'Sales' }])
  })
  test('a change within an object names the field alone', () => {
    expect(changedPaths(ann, withAt(ann, 'agent.wrap_up_s', 10))).toEqual(['agent.wrap_up_s'])
  })
  test('merging takes those fields and no others', () => {
    expect(merged({ a: 1, b: { c: 1, d: 1 } }, { a: 2, b: { c: 2, d: 2 } }, ['b.c'])).toEqual({ a: 1, b: { c: 2, d: 1 } })
  })
})

describe('forms', () => {
  test('what nobody has touched is what it was', () => {
    expect(toObject(PERSON, toDraft(PERSON, ann), ann)).toEqual(ann)
    const trunk = { name: 'carrier', allow: ['10.0.0.0/8'], headers: [{ on: 'sent', action: 'remove', header: 'X-A', value: null, pattern: null, replace: null }], stir: { verify: 'off' } }
    expect(toObject(TRUNK, toDraft(TRUNK, trunk), trunk)).toEqual(trunk)
  })
  test('what was touched is the only difference', () => {
    const draft = { ...toDraft(PERSON, ann), 'agent.wrap_up_s': ' 20 ', 'agent.skills': [{ skill: 'Sales', level: '7' }, { skill: '', level: '' }], email: 'ann@centre.example' }
    const object = toObject(PERSON, draft, ann)
    expect([...changedPaths(ann, object)].sort()).toEqual(['agent.skills', 'agent.wrap_up_s', 'email'])
    expect(object).toMatchObject({ unknown: { kept: 1 }, agent: { wrap_up_s: 20, skills: [{ skill: 'Sales', level: 7 }] } })
  })
  test('a new person has every field, and no secret that was not typed', () => {
    expect(toObject(PERSON, nobody, null)).toEqual({ user_name: 'new.one', first_name: 'New', last_name: 'One', email: null, external_id: null, privileges: [], disabled: false, change_password: false })
    const withAgent = { ...nobody, [switchOf('agent')]: true, 'agent.id': 'n1', password: 'long enough' }
    expect(toObject(PERSON, withAgent, null)).toMatchObject({ password: 'long enough', agent: { id: 'n1', login_code: 'n1', default_place: null, skills: [] } })
  })
  test('an agent who is none any more has no such object', () => {
    expect(toObject(PERSON, { ...toDraft(PERSON, ann), [switchOf('agent')]: false }, ann)).toMatchObject({ agent: null })
  })
  test('a name that is typed beside a list counts, without a press on Add', () => {
    const place = { name: 'P1', dns: ['7101'] }
    const typed = { ...toDraft(PLACE, place), [typedOf('dns')]: ' 7102 ' }
    expect(isSame(typed, toDraft(PLACE, place))).toBe(false)
    expect(toObject(PLACE, typed, place)).toMatchObject({ dns: ['7101', '7102'] })
    expect(toObject(PLACE, { ...typed, [typedOf('dns')]: '7101' }, place)).toEqual(place)
    expect(ownFaults(PLACE, { ...toDraft(PLACE, {}), name: 'P1', [typedOf('dns')]: '7102' }, true)).toEqual({})
  })
  test('a secret is kept, set anew or removed', () => {
    const draft = { ...toDraft(PERSON, ann), password: 'long enough', 'agent.pin': false, [switchOf('agent')]: true }
    expect([newSecrets(PERSON, draft), removedSecrets(PERSON, draft)].map((fields) => fields.map(({ path }) => path))).toEqual([['password'], ['agent.pin']])
    expect(onlySecrets(PERSON, draft)).toEqual({ password: 'long enough', second_factor: '', 'agent.pin': false })
    expect(ownFaults(PERSON, draft, false)).toEqual({})
    expect(toObject(PERSON, draft, ann)).toEqual({ ...ann, password: 'long enough' })
  })
  test('a location whose fields are emptied is none', () => {
    const place = { name: 'P1', dns: ['7101'], location: { city: 'Berlin' } }
    expect(toObject(PLACE, { ...toDraft(PLACE, place), 'location.city': '' }, place)).toMatchObject({ location: null })
    expect(toObject(PLACE, { ...toDraft(PLACE, { name: 'P2', dns: ['7102'] }), 'location.city': 'Bonn' }, { name: 'P2', dns: ['7102'] })).toMatchObject({ location: { city: 'Bonn' } })
  })
  test('the type of a DN says which fields it has', () => {
    const groups = dnGroups(DN_TYPES)
    const phone = { ...toDraft(groups, { type: 'extension' }), number: '7300' }
    expect(shownFields(groups, phone).map(({ path }) => path)).toContain('call_waiting')
    expect(toObject(groups, phone, null)).toMatchObject({ type: 'extension', number: '7300', call_waiting: true, encryption: 'off' })
    expect(toObject(groups, { ...toDraft(groups, { type: 'virtual_queue' }), number: 'returns' }, null)).toEqual({ type: 'virtual_queue', number: 'returns', switch: null })
  })
  test('lines are taken without empty ones', () => {
    const draft = { ...toDraft(SCHEDULE, {}), name: 'office', open: ' Mon-Fri 08:00-18:00 \n\nSat 10:00-14:00\n' }
    expect(toObject(SCHEDULE, draft, null)).toMatchObject({ open: ['Mon-Fri 08:00-18:00', 'Sat 10:00-14:00'], exceptions: [] })
  })
})

describe('differences in words', () => {
  const rule = { on: 'sent', action: 'set', header: 'X-A', value: 'a', pattern: null, replace: null }
  test('rows say of which column each value is, in the words of the form', () => {
    expect(wordsOfField('trunk', 'headers', [rule])).toBe('INVITE: sent, Action: set, Header: X-A, Value: a, Pattern: –, Replacement: –')
    expect(wordsOfField('person', 'agent.skills', [{ skill: 'Sales', level: 5 }, { skill: 'French', level: 3 }])).toBe('Sales 5, French 3')
  })
  test('no difference is left out, though it reads the same', () => {
    const moved = { kind: 'trunk', id: 'carrier', before: { headers: [rule] }, after: { headers: [{ ...rule, value: null, pattern: 'a' }] } }
    const [found] = shownDifferences(moved)
    expect(found === undefined ? [] : wordsOfDifference('trunk', found)[1]).toContain('Value: –, Pattern: a')
    const typed = { kind: 'skill', id: 'x', before: { name: '5', note: '' }, after: { name: 5, note: null } }
    expect(shownDifferences(typed).map((difference) => wordsOfDifference('skill', difference))).toEqual([['"5"', '5'], ['""', 'null']])
    expect(differences({ location: null }, { location: {} })).toEqual([{ path: 'location', before: null, after: {} }])
    expect(wordsOfField('trunk', 'headers', [{ ...rule, note: 'x' }])).toContain('note: x')
    expect(shownDifferences({ ...typed, before: null }).map(({ path }) => path)).toEqual(['name'])
  })
})

test('the focus goes to a neighbour of what is removed', () => {
  expect([neighbourOf(0, 2), neighbourOf(2, 2), neighbourOf(0, 0)]).toEqual([0, 1, undefined])
})

describe('faults', () => {
  test('what can be said without the server', () => {
    const draft = { ...nobody, first_name: ' ', password: 'short', [switchOf('agent')]: true, 'agent.id': 'n1', 'agent.wrap_up_s': '-1', 'agent.skills': [{ skill: 'Sales', level: '0' }] }
    expect(ownFaults(PERSON, draft, true)).toEqual({
      first_name: ['It is needed.'],
      password: ['It has at least 8 characters.'],
      'agent.wrap_up_s': ['It is a whole number from 0 to 3600.'],
      'agent.skills': ['Level, row 1: It is a whole number from 1 to 1000.'],
      'agent.skills[0].level': ['Level, row 1: It is a whole number from 1 to 1000.'],
    })
    expect(ownFaults(PERSON, { ...draft, ...nobody, [switchOf('agent')]: false, password: '' }, true)).toEqual({})
  })
  test.each(['1.000', '1,000', '1 000', '1e3', '0x10', '1.0', '+5', '١'])('%s is no whole number', (text) => {
    const draft = { ...nobody, [switchOf('agent')]: true, 'agent.id': 'n1', 'agent.wrap_up_s': text, 'agent.skills': [{ skill: 'Sales', level: text }] }
    expect(ownFaults(PERSON, draft, true)).toMatchObject({ 'agent.wrap_up_s': ['It is a whole number from 0 to 3600, in digits alone, as 1000.'], 'agent.skills': ['Level, row 1: It is a whole number from 1 to 1000, in digits alone, as 1000.'] })
    expect(wholeOf(text)).toBeUndefined()
  })
  test('a row is counted as it is shown, with those before it that are empty', () => {
    const [sales, none] = [{ skill: 'Sales', level: '5' }, { skill: '', level: '' }]
    const draft = { ...nobody, [switchOf('agent')]: true, 'agent.id': 'n1', 'agent.skills': [sales, none, { skill: '', level: '3' }] }
    expect(ownFaults(PERSON, draft, true)).toEqual({ 'agent.skills': ['Skill, row 3: It is needed.'], 'agent.skills[2].skill': ['Skill, row 3: It is needed.'] })
    const fault = (field: string) => ({ kind: 'person', id: '', field, rule: 'odd', code: 'other', values: {} }) as const
    expect(serverFaults(PERSON, draft, 'n1', [fault('agent.skills[1].skill'), fault('agent.skills[0]')])).toEqual({
      'agent.skills': ['Skill, row 3: odd', 'Row 1: odd'],
      'agent.skills[2].skill': ['Skill, row 3: odd'],
      'agent.skills[0].skill': ['Row 1: odd'],
      'agent.skills[0].level': ['Row 1: odd'],
    })
  })
  test('cells are told by their row, or by what a rule names; the first row comes first', () => {
    const draft = { ...nobody, [switchOf('agent')]: true, 'agent.skills': ['Sales', '', 'French', 'Sales'].map((skill) => ({ skill, level: skill === '' ? '' : '5' })) }
    const cells = (field: string, values = {}) => faultyCells(serverFaults(PERSON, draft, '', [{ kind: 'person', id: '', field, rule: 'odd', code: 'other', values }]), 'agent.skills')
    expect(cells('agent.skills[1].level')).toEqual(['[2].level'])
    expect(cells('agent.skills.French')).toEqual(['[2].skill'])
    expect(cells('agent.skills', { kind: 'skill', id: 'French' })).toEqual(['[2].skill'])
    expect(cells('agent.skills', { name: 'Sales' })).toEqual(['[0].skill', '[3].skill'])
    // What is about the rows as a whole is about none of them.
    expect([cells('agent.skills', { most: '5' }), cells('agent.id')]).toEqual([[], []])
    const [late, early] = ['agent.skills[2]', 'agent.skills[0].level'].map((field) => ({ kind: 'person', id: '', field, rule: 'odd', code: 'other', values: {} }) as const)
    expect(late === undefined || early === undefined ? [] : faultyCells(serverFaults(PERSON, draft, '', [late, early]), 'agent.skills')).toEqual(['[0].level', '[3].skill', '[3].level'])
  })
  test('what the server says stands at its field, or says of what it is', () => {
    const fault = (field: string, rule: string, id = 'ann') => ({ kind: 'person', id, field, rule, code: 'other', values: {} }) as const
    const draft = toDraft(PERSON, ann)
    expect(serverFaults(PERSON, draft, 'ann', [fault('agent.skills[2].level', 'too high'), fault('agent.skills.Patience', 'unknown'), fault('nowhere', 'odd'), fault('', 'whole'), fault('agent.id', 'taken', 'bob')])).toEqual({
      'agent.skills': ['Level, row 3: too high', 'unknown'],
      'agent.skills[2].level': ['Level, row 3: too high'],
      '': ['nowhere: odd', 'whole', 'Person bob: Agent id: taken'],
    })
  })
  test('what was left empty is not told of a second time', () => {
    const draft = { ...nobody, [switchOf('agent')]: true, 'agent.id': '1001', 'agent.login_code': '' }
    const fault = (field: string, rule: string) => ({ kind: 'person', id: '', field, rule, code: 'other', values: {} }) as const
    const [id, code] = [fault('agent.id', 'taken'), fault('agent.login_code', 'taken')]
    expect(serverFaults(PERSON, draft, 'new.one', [id, code])).toEqual({ 'agent.id': ['taken'] })
    expect(serverFaults(PERSON, draft, 'new.one', [code])).toEqual({ 'agent.login_code': ['taken'] })
    expect(Object.keys(serverFaults(PERSON, { ...draft, 'agent.login_code': '1001' }, 'new.one', [id, code]))).toEqual(['agent.id', 'agent.login_code'])
  })
})
