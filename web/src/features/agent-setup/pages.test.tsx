import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { createMemoryHistory, createRootRoute, createRouter, RouterContextProvider, stringifySearchWith } from '@tanstack/react-router'
import type { ReactElement } from 'react'
import { renderToStaticMarkup } from 'react-dom/server'
import { describe, expect, test } from 'vitest'
import type { Stored } from '../../api/agent-setup'
import { addTexts } from '../../lib/i18n'
import { DialRules } from './DialRules'
import { toDraft } from './form'
import { formOf } from './forms'
import { ObjectForm } from './ObjectForm'
import { sectionAt, type Section } from './sections'
import { SignIns } from './SignIns'

await addTexts('agent-setup')
await addTexts('agent-setup-forms')
await addTexts('sign-ins')

const section = (path: string): Section => {
  const found = sectionAt(path)
  if (found === undefined) throw new Error(`no section ${path}`)
  return found
}

/** A page as it is drawn with what the server has answered before. */
function drawn(page: ReactElement, answers: readonly (readonly [readonly unknown[], unknown])[] = []): string {
  const queries = new QueryClient()
  for (const [key, value] of answers) queries.setQueryData(key, value)
  const router = createRouter({ routeTree: createRootRoute(), history: createMemoryHistory(), stringifySearch: stringifySearchWith(String) })
  return renderToStaticMarkup(
    <QueryClientProvider client={queries}>
      <RouterContextProvider router={router as never}>{page}</RouterContextProvider>
    </QueryClientProvider>,
  )
}

const nothing = (): void => undefined

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
