import { createMemoryHistory, createRootRoute, createRouter, RouterContextProvider } from '@tanstack/react-router'
import { renderToStaticMarkup } from 'react-dom/server'
import { describe, expect, test } from 'vitest'
import type { Stored } from '../../api/agent-setup'
import { addTexts } from '../../lib/i18n'
import { ApiKeyForm } from './ApiKeyForm'
import { ApiKeys } from './ApiKeys'
import { DialRules } from './DialRules'
import { Differences } from './ChangeList'
import { drawn, nothing, section } from './drawn-for-tests'
import { deletion } from './edits'
import { toDraft } from './form'
import { formOf } from './forms'
import { ListTable } from './ListTable'
import { MadeKey } from './MadeKey'
import { ObjectForm } from './ObjectForm'
import { NOBODY } from './paging'
import { Gone } from './ObjectView'
import { Review } from './Review'
import { SectionNav } from './SectionNav'
import { SignIns } from './SignIns'
import { Uses } from './Uses'

await addTexts('agent-setup')
await addTexts('agent-setup-forms')
await addTexts('sign-ins')
await addTexts('api-keys')

describe('the form of the tenant', () => {
  const groups = formOf(section('tenant'))
  const draft = toDraft(groups, { id: 'example', no_answer_s: 15, sign_in: { upstream: { name: 'Acme' } } })
  const html = drawn(<ObjectForm tenant="example" groups={groups} draft={draft} isNew={false} isFrozen={false} faults={{ time_zone: ['There is no time zone Nowhere.'] }} wayOut={null} onChange={nothing} />)
  test('says unit and rule of a field where the field is', () => {
    expect(html).toMatch(/<input id="field-no_answer_s" aria-describedby="field-no_answer_s-hint"[^>]*value="15"/)
    expect(html).toMatch(/id="field-no_answer_s-hint"[^>]*>Then the call goes elsewhere. In seconds. From 1 to 600.</)
  })
  test('says a fault of the server at its field, and leads there', () => {
    expect(html).toContain('aria-describedby="field-time_zone-hint field-time_zone-fault" aria-invalid="true"')
    expect(html).toContain('href="#field-time_zone"')
  })
  test('shows a provider that there is, without its secret', () => {
    expect(html).toMatch(/id="field-sign_in-upstream-name"[^>]*value="Acme"/)
    expect(html).toMatch(/id="field-sign_in-upstream-client_secret"[^>]*type="password"[^>]*value=""|type="password"[^>]*id="field-sign_in-upstream-client_secret"/)
  })
})

test('what a client needs is marked, and a folded group with a fault is open', () => {
  const [client, trunk] = [formOf(section('clients')), formOf(section('trunks'))]
  const form = (groups: typeof client, path: string): string => drawn(<ObjectForm tenant="example" groups={groups} draft={toDraft(groups, {})} isNew isFrozen={false} faults={{ [path]: ['odd'] }} wayOut={null} onChange={nothing} />)
  expect(form(client, 'id')).toMatch(/<legend>How it gets tokens <span[^>]*>needed</)
  expect([...form(trunk, 'weight').matchAll(/<details[^>]*open=""[^>]*><summary>([^<]*)</g)].map((match) => match[1])).toEqual(['Limits and order'])
})

test('a second factor has a button that takes it away, and no input', () => {
  const groups = formOf(section('people'))
  const form = (isNew: boolean): string => drawn(<ObjectForm tenant="example" groups={groups} draft={toDraft(groups, {})} isNew={isNew} isFrozen={false} faults={{}} wayOut={null} onChange={nothing} />)
  expect(form(false)).toMatch(/<button id="field-second_factor"[^>]*aria-label="Remove what is set: Second factor"/)
  expect(form(true)).not.toContain('field-second_factor')
})

test('dial rules stand in their order, with what each does and a way up and down', () => {
  const rule = (id: string, object: object): Stored => ({ id, revision: 7, object: { name: id, ...object } as Stored['object'] })
  const rules = [rule('dear', { place: 0, pattern: '+49900.', action: 'block', reason: 'too dear' }), rule('out', { place: 1, pattern: '0.', action: 'translate', remove: 1, add: '' })]
  const html = drawn(<DialRules tenant="example" section={section('dial-rules')} onDirty={nothing} />, [[['agent-setup', 'example', 'list', 'dial-rules'], rules]])
  expect([...html.matchAll(/data-object="([a-z]+)"/g)].map((match) => match[1])).toEqual(['dear', 'out'])
  for (const words of ['Block: they are not called', 'Why: too dear', 'Characters that are removed at the beginning: 1', '+49900.']) expect(html).toContain(words)
  expect(html).toMatch(/aria-disabled="true" aria-label="Move dear up"/)
  expect(html).toMatch(/aria-disabled="false" aria-label="Move dear down"/)
  expect(html).toMatch(/aria-disabled="true" aria-label="Move dear to the top"/)
  expect(html).toMatch(/aria-disabled="false" aria-label="Move dear to the end"/)
  expect(html).not.toContain('Review the order')
  expect(html).toContain('/agent-setup/new/dial-rules?place=2')
  // As long as they are not there, no place is known to be behind them.
  expect(drawn(<DialRules tenant="example" section={section('dial-rules')} onDirty={nothing} />)).toContain('href="/agent-setup/new/dial-rules"')
})

test('sign-ins are said in words, with whom they are about', () => {
  const filter = { person: '', event: '', since: '', until: '' }
  const entry = { at: 0, event: 'refused', way: 'password', subject: 'person/ann', by: '', client: '', session: '', source: '192.0.2.1', user_agent: 'Firefox', times: 3 }
  const pages = { pages: [{ items: [entry, { ...entry, event: 'session_ended', way: '', times: 1, by: 'person/grace' }, { ...entry, subject: '' }], next: '9' }], pageParams: [''] }
  const html = drawn(<SignIns tenant="example" filter={filter} onFilter={nothing} />, [[['agent-setup', 'example', 'sign-ins', filter], pages]])
  for (const words of ['Refused, by password, 3 times within a minute', 'A session was ended', 'by grace', 'Unknown', '192.0.2.1', 'The latest 3 entries', 'Show more']) expect(html).toContain(words)
  expect(html).toMatch(/href="\/agent-setup\/people\/ann"/)
  // Where the column of it is left out, the row says it.
  expect(html).toContain('With: Firefox')
  expect(html).toContain(`time zone, ${new Intl.DateTimeFormat().resolvedOptions().timeZone}.`)
})

describe('API keys', () => {
  const key = { id: '3bF0aZ9xQ1c', name: 'crm', client: 'reports', scopes: ['webhooks'], madeBy: 'person/ann', madeAt: 0, endsAt: Date.now() + 9e10, usedAt: undefined, usedFrom: '', revokedAt: undefined }
  test('have a state, and a way to their end as long as they are good', () => {
    const keys = [key, { ...key, id: 'b', name: 'old', client: '', revokedAt: 5 }, { ...key, id: 'c', name: 'trial', endsAt: 5 }]
    const html = drawn(<ApiKeys tenant="example" scopes={[]} onHeld={nothing} />, [[['agent-setup', 'example', 'api-keys'], keys]])
    expect([...html.matchAll(/data-state="([a-z]+)"/g)].map((match) => match[1])).toEqual(['active', 'revoked', 'ended'])
    expect([...html.matchAll(/aria-label="Revoke ([a-z]+)"/g)].map((match) => match[1])).toEqual(['crm'])
    for (const words of ['Active', 'Revoked', 'Ended', 'tlk_3bF0aZ9xQ1c_…', 'New API key', '/agent-setup/clients/reports']) expect(html).toContain(words)
  })
  test('are made with scopes of who makes them', () => {
    const html = drawn(<ApiKeyForm tenant="example" scopes={['openid', 'config:read', 'webhooks']} onMade={nothing} onDirty={nothing} onCancel={nothing} />)
    expect([...html.matchAll(/<code>([a-z:]+)<\/code>/g)].map((match) => match[1])).toEqual(['webhooks', 'config:read'])
    for (const id of ['api-key-name', 'api-key-scopes', 'api-key-expires_at', 'api-key-client']) expect(html).toContain(`id="${id}"`)
  })
  test('are shown with a warning, and not at all where the answer is lost', () => {
    const html = drawn(<MadeKey made={{ apiKey: key, key: 'tlk_x_y' }} onDone={nothing} />)
    expect(html).toMatch(/readOnly="" [^>]*value="tlk_x_y"/)
    for (const words of ['It is shown this once and kept nowhere', 'Copy the key', 'I have kept it']) expect(html).toContain(words)
    const lost = drawn(<MadeKey made={{ apiKey: key, key: undefined }} onDone={nothing} />)
    expect(lost).toContain('Revoke it and make another one.')
    expect(lost).not.toMatch(/<input|Copy the key/)
  })
})

test('a list has its sections folded, and says at the field what is wrong with them', () => {
  const groups = formOf(section('lists'))
  const draft = toDraft(groups, { name: 'Branches', sections: { berlin: { open: '09:00', greeting: 'de' } } })
  const html = drawn(<ObjectForm tenant="example" groups={groups} draft={draft} isNew={false} isFrozen={false} faults={{ sections: ['berlin: open has no value.'] }} wayOut={null} onChange={nothing} />)
  expect(html).toMatch(/<details data-section="true"[^>]*><summary>berlin <span[^>]*>2 values<\/span><\/summary><\/details>/)
  expect(html).toContain('aria-describedby="field-sections-hint field-sections-fault"')
  expect(html).toContain('href="#field-sections"')
  expect(html).not.toContain('09:00')
})

test('values of a business attribute have an order, and one of them is the default', () => {
  const groups = formOf(section('business-attributes'))
  const draft = toDraft(groups, { name: 'Language', values: [{ value: 'en', display_name: 'English' }, { value: 'de' }], default: 'fr' })
  const html = drawn(<ObjectForm tenant="example" groups={groups} draft={draft} isNew={false} isFrozen={false} faults={{}} wayOut={null} onChange={nothing} />)
  for (const words of ['aria-disabled="true" aria-label="Move en up"', 'aria-disabled="false" aria-label="Move en down"', 'aria-disabled="true" aria-label="Move de down"', 'English (en)', '<option value="de">de</option>', '<option value="fr" selected="">fr</option>']) expect(html).toContain(words)
})

test('a group of thousands shows the last of its members, and all when they are asked for', () => {
  const groups = formOf(section('agent-groups'))
  const draft = toDraft(groups, { name: 'All', agents: Array.from({ length: 3_000 }, (_, index) => `agent${index}`) })
  const html = drawn(<ObjectForm tenant="example" groups={groups} draft={draft} isNew={false} isFrozen={false} faults={{}} wayOut={null} onChange={nothing} />)
  expect(html.match(/data-one/g)).toHaveLength(200)
  expect(html).toContain('Show all 3,000')
  expect([html.includes('Remove agent2999'), html.includes('Remove agent0"')]).toEqual([true, false])
})

test('objects of every list can be chosen, one by one or all', () => {
  const html = drawn(<ListTable section={section('place-groups')} items={[{ id: 'Floor 2', revision: 7, object: { name: 'Floor 2' } }]} chosen={NOBODY} isStale={false} onChoose={nothing} />)
  for (const words of ['Select Floor 2', 'Select all that are shown']) expect(html).toContain(words)
})

test('before several are deleted all of them are shown; what uses one is asked for of one alone', () => {
  const stored = (id: string): Stored => ({ id, revision: 7, object: { name: id } })
  const drawnFor = (ids: readonly string[]): string => {
    const edits = ids.map((id) => deletion('skill', stored(id)))
    const changes = ids.map((id) => ({ kind: 'skill', id, before: { name: id }, after: null }))
    const flow = { kind: 'review', proposal: { edits, requestId: 'r1', secrets: [] }, changes, failure: undefined, made: 0 } as const
    return drawn(<Review tenant="example" flow={flow} onConfirm={nothing} onCancel={nothing} />, [[['agent-setup', 'example', 'uses', 'skill', 'French'], []]])
  }
  for (const words of ['This will be deleted', 'Skill French', 'Skill Sales']) expect(drawnFor(['French', 'Sales'])).toContain(words)
  expect(drawnFor(['French', 'Sales'])).not.toContain('Nothing refers to it.')
  expect(drawnFor(['French'])).toContain('Nothing refers to it.')
})

test('what applications name is told apart from what refers, and a thousand uses are a thousand or more', () => {
  const use = (id: string, is_named: boolean) => ({ kind: is_named ? 'application' : 'person', id, field: is_named ? 'dialog:play prompts' : 'agent.skills', is_named })
  const drawnFor = (kind: string, uses: readonly object[]): string => drawn(<Uses tenant="example" kind={kind} id="x" />, [[['agent-setup', 'example', 'uses', kind, 'x'], uses]])
  const prompt = drawnFor('prompt', [use('sales', true)])
  for (const words of ['Nothing refers to it.', 'Named in applications, which hinders no deletion:', '/agent-setup/applications/sales', 'dialog:play prompts', 'are not found.']) expect(prompt).toContain(words)
  expect(drawnFor('place', [])).not.toContain('are not found.')
  const many = Array.from({ length: 1_000 }, (_, index) => use(`p${index}`, false))
  expect(drawnFor('skill', many)).toContain('1,000 or more entries refer to it')
  expect(drawnFor('skill', many.slice(1))).toContain('999 entries refer to it')
})

describe('what a review and a history say', () => {
  const rows = (before: Stored['object'] | null): string => drawn(<Differences change={{ kind: 'person', id: 'ann', before, after: { user_name: 'ann' } }} secrets={['New password']} />)
  test('a new object had no secret', () => {
    expect(rows(null)).toMatch(/New password<\/th><td>–<\/td>/)
    expect(rows({ user_name: 'bob' })).toMatch(/New password<\/th><td class="[^"]*before[^"]*">\(secret\)/)
  })
  test('of an object that never was there is no way back', () => {
    const gone = (items: readonly object[]): string => drawn(<Gone tenant="example" kind="skill" id="Nix" />, [[['agent-setup', 'example', 'history', 'skill', 'Nix'], { pages: [{ items, next: '' }], pageParams: [''] }]])
    expect(gone([])).not.toContain('can be restored')
    expect(gone([{}])).toContain('can be restored')
  })
})

test('the rights of a folder are ticked, and nothing is said of the folder that a folder is in', () => {
  const groups = formOf(section('folders'))
  const html = drawn(<ObjectForm tenant="example" groups={groups} draft={toDraft(groups, { path: 'Berlin', permissions: [{ group: 'Everyone', rights: ['read', 'change'] }] })} isNew={false} isFrozen={false} faults={{}} wayOut={null} onChange={nothing} />)
  const ticks = html.match(/role="group" aria-label="Rights, row 1".*?<\/div>/)?.[0] ?? ''
  expect([...ticks.matchAll(/<input type="checkbox"( checked="")?\/>([A-Za-z]+)/g)].filter(([, checked]) => checked !== undefined).map(([, , words]) => words)).toEqual(['Read', 'Change'])
  expect(html).toContain('<summary>Properties</summary>')
})

test('an object has entries of its own, and nothing is made in it', () => {
  const groups = formOf(section('skills'))
  const own = [{ group: 'Leads', person: null, rights: ['read'], no_access: false }]
  const html = drawn(<ObjectForm tenant="example" groups={groups} draft={toDraft(groups, { name: 'Sales', own_permissions: own })} isNew={false} isFrozen={false} faults={{}} wayOut={null} onChange={nothing} />)
  const ticks = html.match(/role="group" aria-label="Rights, row 1".*?<\/div>/)?.[0] ?? ''
  const words = [...ticks.matchAll(/<input type="checkbox"( checked="")?\/>([A-Za-z ]+)/g)].map(([, checked, right]) => [right, checked !== undefined])
  expect(words.slice(0, 3)).toEqual([['Read', true], ['Change', false], ['Delete', false]])
  expect(words).toHaveLength(4)
  expect(html).toContain('Permissions of its own')
})

test('the section of a new object and of a table of people is marked', () => {
  const marked = (path: string): readonly (string | undefined)[] => {
    const router = createRouter({ routeTree: createRootRoute(), history: createMemoryHistory({ initialEntries: [path] }) })
    const html = renderToStaticMarkup(
      <RouterContextProvider router={router as never}>
        <SectionNav />
      </RouterContextProvider>,
    )
    return [...html.matchAll(/<a [^>]*aria-current="[^>]*>([^<]*)</g)].map(([, words]) => words)
  }
  expect(marked('/agent-setup/new/skills')).toEqual(['Skills'])
  expect(marked('/agent-setup/import')).toEqual(['People'])
})
