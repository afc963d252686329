import { describe, expect, test } from 'vitest'
import { addTexts } from '../../lib/i18n'
import { drawn, nothing, section } from './drawn-for-tests'
import { toDraft } from './form'
import { formOf } from './forms'
import { History } from './History'
import { Faulty } from './ImportPeople'
import { ObjectForm } from './ObjectForm'

await addTexts('agent-setup')
await addTexts('agent-setup-forms')

describe('a history that could not be read on', () => {
  const entry = { kind: 'skill', id: 'French', before: null, after: { name: 'French' }, number: 1, revision: 7, at: 0, by: 'grace', way: 'page', source: '', secretsChanged: false }
  const failed = (pages: readonly object[], direction?: 'forward'): string =>
    drawn(<History tenant="example" kind="skill" id="French" />, [[['agent-setup', 'example', 'history', 'skill', 'French'], { pages, pageParams: [''] }]], {
      status: 'error',
      error: new Error('lost'),
      fetchMeta: direction === undefined ? null : { fetchMore: { direction } },
    })
  test('keeps what is there, says so at its end, and its button asks again', () => {
    const html = failed([{ items: [entry], next: '20' }], 'forward')
    expect(html).toMatch(/grace.*role="alert".*lost.*<\/section><button/)
    expect(html).not.toContain('Try now')
  })
  test('after a change says at its begin that it is not read anew, with a way to try again', () => {
    expect(failed([{ items: [entry], next: '' }])).toMatch(/role="alert".*lost.*Try now.*grace/)
  })
})

test('a table of more faults than are shown says how many there are', () => {
  const faults = Array.from({ length: 3 }, (_, index) => ({ line: index + 2, column: 'skills', rule: 'odd', code: 'other', values: {} }) as const)
  const found = { rows: 9, changed: 0, faults, changes: [], checked: '' }
  const html = (more?: number): string => drawn(<Faulty name="people.csv" found={more === undefined ? found : { ...found, more_faults: more }} onCheckAnew={nothing} />)
  for (const words of ['people.csv has 3,417 faults', 'The first 3 of 3,417 faults:']) expect(html(3_414)).toContain(words)
  for (const all of [html(), html(0)]) expect([all.includes('people.csv has 3 faults'), all.includes('The first')]).toEqual([true, false])
})

test('a faulty cell of a row is marked, and the summary leads to it', () => {
  const person = formOf(section('people'))
  const draft = toDraft(person, { user_name: 'ann', agent: { id: 'a1', skills: [{ skill: 'Sales', level: 5 }, { skill: 'Patience', level: 3 }] } })
  const form = (faults: Readonly<Record<string, readonly string[]>>): string => drawn(<ObjectForm tenant="example" groups={person} draft={draft} isNew={false} isFrozen={false} faults={faults} wayOut={null} onChange={nothing} />)
  const html = form({ 'agent.skills': ['odd'], 'agent.skills[1].skill': ['odd'] })
  expect([...html.matchAll(/<input id="field-agent-skills([^"]*)"([^>]*)>/g)].filter(([, , rest]) => rest?.includes('aria-invalid="true" aria-describedby="field-agent-skills-fault"')).map(([, cell]) => cell)).toEqual(['[1]-skill'])
  expect(html).toContain('href="#field-agent-skills[1]-skill"')
  expect(form({ 'agent.skills': ['too many'] })).toContain('href="#field-agent-skills"')
  const folder = formOf(section('folders'))
  const rights = drawn(<ObjectForm tenant="example" groups={folder} draft={toDraft(folder, { path: 'Berlin', permissions: [{ rights: [] }] })} isNew={false} isFrozen={false} faults={{ permissions: ['odd'], 'permissions[0].rights': ['odd'] }} wayOut={null} onChange={nothing} />)
  expect(rights).toMatch(/role="group" aria-label="Rights, row 1" id="field-permissions\[0\]-rights" tabindex="-1" aria-describedby="field-permissions-fault"[^>]*><span[^>]*>Rights<\/span><label[^>]*><input type="checkbox" aria-invalid="true"\/>/)
})
