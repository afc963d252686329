// Writes src/api/generated from the OpenAPI documents of docs/openapi: the types of the APIs, and a check for each document that a
// page asks for. The checks are plain functions: nothing is compiled in the browser, whose content security policy forbids it.
// And src/locales/generated from src/locales: the texts, compiled likewise, and what each needs. A language that lacks a text, or has
// one of another name, or with other places to fill, is an error.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { compileMessage } from '@lingui/message-utils/compileMessage'
import Ajv from 'ajv/dist/2020.js'
import standalone from 'ajv/dist/standalone/index.js'
import openapiTS, { astToString } from 'openapi-typescript'

/** What pages ask for, by API. */
const CHECKED = {
  'agent-setup': ['ChangesDone', 'HistoryShown', 'ObjectPage', 'Problem', 'ShownObject', 'TableTaken', 'UsesShown'],
  operations: ['Topology', 'Trace', 'Traces'],
  pulse: ['Change', 'Reached', 'Snapshot'],
}
/** What only pages ask for that are loaded later: checks apart from the others, by their API. */
const CHECKED_LATER = {
  'sign-ins': { api: 'agent-setup', names: ['SignInsShown'] },
  'api-keys': { api: 'agent-setup', names: ['ApiKeyMade', 'ApiKeysShown'] },
  'prompt-audio': { api: 'agent-setup', names: ['AudioKept'] },
}
/** Names to which a release may add: a page takes one that it does not know. */
const OPEN = new Set(['FaultCode'])

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const folder = here('src/api/generated')
mkdirSync(folder, { recursive: true })

for (const [api, names] of Object.entries(CHECKED)) {
  const document = JSON.parse(readFileSync(here(`../docs/openapi/${api}.json`), 'utf8'))
  writeFileSync(`${folder}/${api}.ts`, astToString(await openapiTS(document, { immutable: true })))

  writeChecks(api, api, document, names)
  for (const [file, later] of Object.entries(CHECKED_LATER)) if (later.api === api) writeChecks(file, api, document, later.names)
}

function writeChecks(file, api, document, names) {
  const ajv = new Ajv({ code: { source: true, esm: true }, strict: false, validateFormats: false })
  ajv.addSchema(withOpenNames(withoutWords(document)), api)
  const checks = Object.fromEntries(names.map((name) => [`is${name}`, `${api}#/components/schemas/${name}`]))
  writeFileSync(`${folder}/${file}-checks.js`, standalone(ajv, checks))
  const declared = names.map((name) => `export declare const is${name}: Check<components['schemas']['${name}']>\n`)
  const imports = [`import type { components } from './${api}'\n`, "import type { Check } from '../check'\n", '\n']
  writeFileSync(`${folder}/${file}-checks.d.ts`, [...imports, ...declared].join(''))
}

/** The document in which any text does where names are open. */
function withOpenNames(document) {
  const schemas = Object.entries(document.components.schemas).map(([name, schema]) => [name, OPEN.has(name) ? { type: 'string' } : schema])
  return { ...document, components: { ...document.components, schemas: Object.fromEntries(schemas) } }
}

/** The document without what checks nothing. */
function withoutWords(document) {
  return JSON.parse(JSON.stringify(document, (key, value) => (key === 'description' && typeof value === 'string' ? undefined : value)))
}

const texts = here('src/locales')
/** The texts that every page may say, and those of an application, which are loaded with it. */
const catalogues = ['.', ...readdirSync(texts, { withFileTypes: true }).filter((entry) => entry.isDirectory() && entry.name !== 'generated').map((entry) => entry.name)]
const needs = catalogues.flatMap((of) => {
  const catalogue = (language) => JSON.parse(readFileSync(`${texts}/${of}/${language}.json`, 'utf8'))
  const english = places(catalogue('en'))
  mkdirSync(`${texts}/generated/${of}`, { recursive: true })
  for (const file of readdirSync(`${texts}/${of}`).filter((name) => name.endsWith('.json'))) {
    const language = file.replace('.json', '')
    const messages = catalogue(language)
    assertSame(`${of}/${language}`, english, places(messages))
    const compiled = Object.fromEntries(Object.entries(messages).map(([name, text]) => [name, compileMessage(text)]))
    writeFileSync(`${texts}/generated/${of}/${language}.js`, `export default ${JSON.stringify(compiled)}\n`)
    writeFileSync(`${texts}/generated/${of}/${language}.d.ts`, "import type { Messages } from '@lingui/core'\n\ndeclare const messages: Messages\nexport default messages\n")
  }
  return Object.entries(english).map(([name, found]) => `  readonly '${name}': ${found.length === 0 ? 'undefined' : `{ ${found.map((place) => `readonly ${place}`).join('; ')} }`}\n`)
})
writeFileSync(`${texts}/generated/texts.ts`, `/** Every text of the pages, with what it needs to be said. */\nexport type Texts = {\n${needs.join('')}}\n`)

/** What is to be filled in, by text: `name: type`, as TypeScript has it. */
function places(messages) {
  return Object.fromEntries(Object.entries(messages).map(([name, text]) => [name, [...new Set(placesOf(compileMessage(text)))].sort()]))
}

function placesOf(compiled) {
  if (typeof compiled === 'string') return []
  return compiled.flatMap((part) => {
    if (typeof part === 'string') return []
    const [name, format, options] = part
    const inner = format === undefined ? [] : Object.values(options ?? {}).flatMap((option) => (Array.isArray(option) ? placesOf(option) : []))
    return [`${name}: ${format === undefined ? 'string | number' : 'number'}`, ...inner]
  })
}

function assertSame(language, english, found) {
  for (const name of new Set([...Object.keys(english), ...Object.keys(found)])) {
    const [wanted, has] = [english[name]?.join(), found[name]?.join()]
    if (wanted !== has) throw new Error(`src/locales/${language}.json, ${name}: ${has === undefined ? 'is missing' : wanted === undefined ? 'is no text of the pages' : `needs ${wanted}, has ${has}`}`)
  }
}
