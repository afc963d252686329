/** What a page says is loaded with it: a text of a catalogue that comes later would be shown by its name. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { wordsIn } from '../src/apps/salesforce/words'

const ROOT = fileURLToPath(new URL('../src', import.meta.url))

/** A module and all that it imports at once. */
function modulesOf(path: string, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(path)) return found
  found.add(path)
  const text = readFileSync(path, 'utf8')
  for (const [, imported = ''] of text.matchAll(/^(?:import|export)\s+(?!type)[^;]*?from\s+'(\.[^']+)'/gm)) {
    const base = join(dirname(path), imported)
    const file = [`${base}.ts`, `${base}.tsx`].find((name) => existsSync(name))
    if (file !== undefined) modulesOf(file, found)
  }
  return found
}

/** The texts of Agent Setup that these modules say. */
function said(modules: Iterable<string>): readonly string[] {
  const names = [...modules].flatMap((path) => [...readFileSync(path, 'utf8').matchAll(/['"](setup\.[A-Za-z][A-Za-z0-9.]*)['"]/g)].map((match) => match[1] ?? ''))
  return [...new Set(names)]
}

function known(...catalogues: readonly string[]): ReadonlySet<string> {
  return new Set(catalogues.flatMap((of) => Object.keys(JSON.parse(readFileSync(join(ROOT, 'locales', of, 'en.json'), 'utf8')) as object)))
}

describe('the texts of Agent Setup', () => {
  test.each([
    ['the lists, which are loaded first', ['apps/agent-setup/pages.tsx'], ['.', 'agent-setup']],
    ['objects and tables', ['apps/agent-setup/object-pages.tsx', 'features/agent-setup/BulkBar.tsx', 'features/agent-setup/DeleteBar.tsx'], ['.', 'agent-setup', 'agent-setup-forms']],
    ['API keys', ['apps/agent-setup/api-key-pages.tsx'], ['.', 'agent-setup', 'agent-setup-forms', 'api-keys']],
    ['sign-ins', ['apps/agent-setup/sign-in-pages.tsx'], ['.', 'agent-setup', 'sign-ins']],
  ])('%s', (_, entries, catalogues) => {
    const texts = known(...catalogues)
    const wanted = said(entries.flatMap((entry) => [...modulesOf(join(ROOT, entry))]))
    expect(wanted.length).toBeGreaterThan(20)
    expect(wanted.filter((name) => !texts.has(name))).toEqual([])
  })
  test('what is loaded first has no text that the lists do not say', () => {
    const wanted = new Set(said(modulesOf(join(ROOT, 'apps/agent-setup/pages.tsx'))))
    expect([...known('agent-setup')].filter((name) => !wanted.has(name))).toEqual([])
  })
  test('forms and what only they say are not loaded with the lists', () => {
    const first = [...modulesOf(join(ROOT, 'apps/agent-setup/pages.tsx'))].map((path) => path.slice(ROOT.length + 1))
    expect(first).toContain('features/agent-setup/sections.ts')
    expect(first.filter((path) => /agent-setup\/(forms|rules|faults|DialRules|SignIns|ApiKey|api-keys|kinds\/(?!options|further-names))/.test(path))).toEqual([])
  })
})

test('one thing has one word in German', () => {
  const folder = join(ROOT, 'locales')
  const catalogues = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /(^|\/)de\.json$/.test(name))
  expect(catalogues.length).toBeGreaterThan(3)
  // Nachbearbeitung, Skills, Arbeitsplatz.
  for (const name of catalogues) expect(readFileSync(join(folder, name), 'utf8'), name).not.toMatch(/Nacharbeit|Fähigkeit|": ".*Desktop/)
  expect(Object.values(wordsIn('de')).join(' ')).not.toContain('Desktop')
})
