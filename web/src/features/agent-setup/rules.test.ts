import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Fault } from '../../api/agent-setup'
import { addTexts, LANGUAGES, showLanguage } from '../../lib/i18n'
import { wordsOfFault, wordsOfRule } from './rules'

const document = JSON.parse(readFileSync(fileURLToPath(new URL('../../../../docs/openapi/agent-setup.json', import.meta.url)), 'utf8')) as {
  readonly components: { readonly schemas: { readonly FaultCode: { readonly oneOf: readonly { readonly const: Fault['code']; readonly description: string }[] } } }
}
/** Every code that the server may send, with what it says of it. */
const CODES = document.components.schemas.FaultCode.oneOf

/** The names of a code's values, which stand between backticks in its description. */
const namesIn = (description: string): readonly string[] => [...description.matchAll(/`([a-z]+)`/g)].map((match) => match[1] ?? '')
/** Values that are names of the server, said by words of our own. */
const TRANSLATED = new Set(['wanted', 'kind', 'field', 'grant'])
/** Codes whose words say no value, or whose descriptions name something else between backticks. */
const PLAIN = new Set<Fault['code']>(['wrong_type', 'stale', 'name_taken', 'no_way_out', 'contact_scheme', 'second_factor', 'pattern', 'folder_path'])

async function show(language: (typeof LANGUAGES)[number]): Promise<void> {
  // Without a page.
  globalThis.document = { documentElement: { lang: '' } } as unknown as Document
  await showLanguage(language)
  await addTexts('agent-setup')
  await addTexts('agent-setup-forms')
}

const broken = (code: Fault['code'], values: Readonly<Record<string, string>> = {}) => ({ rule: 'as the server says it', code, values })

for (const language of LANGUAGES) {
  describe(`rules in ${language}`, () => {
    beforeAll(() => show(language))
    test.each(CODES.filter((one) => one.const !== 'other'))('$const has words', ({ const: code, description }) => {
      const words = wordsOfRule(broken(code))
      expect(words).not.toContain('as the server says it')
      // A text that is missing is shown by its name, one whose place is not filled by its braces.
      expect(words).not.toMatch(/setup\.|[{}]|undefined/)
      const named = PLAIN.has(code) ? [] : namesIn(description).filter((name) => !TRANSLATED.has(name) && name !== 'section')
      const values = Object.fromEntries(named.map((name) => [name, `<${name}>`]))
      for (const name of named) expect(wordsOfRule(broken(code, values))).toContain(`<${name}>`)
    })
  })
}

test('no rule is said in the words of another language', async () => {
  const said = new Map<string, readonly string[]>()
  for (const language of LANGUAGES) {
    await show(language)
    said.set(language, CODES.map(({ const: code }) => wordsOfRule(broken(code))))
  }
  const [english = [], german = []] = [said.get('en'), said.get('de')]
  expect(CODES.filter((one, index) => one.const !== 'other' && english[index] === german[index])).toEqual([])
})

describe('rules', () => {
  beforeAll(() => show('en'))
  test('name objects and fields as the pages do', () => {
    expect(wordsOfRule(broken('unknown', { kind: 'skill', id: 'Patience' }))).toBe('Skill Patience does not exist.')
    expect(wordsOfRule(broken('privilege_needs', { privilege: 'manage_tabs', needs: 'view_dashboard, view_dashboard_restricted' }))).toBe('Dashboards: manage tabs needs one of these beside it: Dashboards: view dashboard; Dashboards: view dashboard restricted.')
    expect(wordsOfRule(broken('held', { kind: 'person', by: 'ada', value: 'a1' }))).toBe('Person ada has a1 already.')
    expect(wordsOfRule(broken('needed_with', { field: 'inbound_user' }), 'trunk')).toBe('It is needed with “User name that the carrier gives”.')
    expect(wordsOfRule(broken('grant_needs_secret', { grant: 'password' }), 'client')).toBe('“It knows people’s passwords” needs a secret.')
    expect(wordsOfRule(broken('wrong_type', { wanted: 'number' }))).toBe('A whole number is needed here.')
  })
  test('what somebody may not do is said by what they lack', () => {
    const lacks = (right: string, folder = '') => wordsOfRule(broken('not_permitted', { right, folder }))
    expect(lacks('change', 'Berlin')).toBe('It needs the right Change in the folder Berlin.')
    expect(lacks('folder_administrator')).toBe('Only somebody with the privilege Folder administrator may do that.')
    expect(lacks('')).toBe('It concerns the whole tenant: administrators alone may change it.')
    expect(lacks('read')).toBe('The name is that of an entry that you may not see.')
    expect(lacks('of_a_later_release')).toBe('You may not do that.')
    expect(wordsOfFault({ ...broken('not_permitted', { right: 'administrator', folder: '' }), kind: 'person', id: 'ann', field: 'privileges' })).toBe('Person ann: Privileges: Only somebody with the privilege Administrator may do that.')
    expect(wordsOfFault({ ...broken('not_permitted', { right: 'delete', folder: '/' }), kind: 'skill', id: '', field: '' })).toBe('Skill: It needs the right Delete in the folder /.')
  })
  test('are said as the server says them where their codes are not known', () => {
    expect(wordsOfRule(broken('other'))).toBe('as the server says it')
    expect(wordsOfRule(broken('of_a_later_release' as Fault['code']))).toBe('as the server says it')
  })
})
