// Writes src/api/generated from the OpenAPI documents of docs/openapi: the types of the APIs, and a check for each document that a
// page asks for. The checks are plain functions: nothing is compiled in the browser, whose content security policy forbids it.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import Ajv from 'ajv/dist/2020.js'
import standalone from 'ajv/dist/standalone/index.js'
import openapiTS, { astToString } from 'openapi-typescript'

/** What pages ask for, by API. */
const CHECKED = {
  operations: ['Topology', 'Trace', 'Traces'],
  pulse: ['Change', 'Reached', 'Snapshot'],
}

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const folder = here('src/api/generated')
mkdirSync(folder, { recursive: true })

for (const [api, names] of Object.entries(CHECKED)) {
  const document = JSON.parse(readFileSync(here(`../docs/openapi/${api}.json`), 'utf8'))
  writeFileSync(`${folder}/${api}.ts`, astToString(await openapiTS(document, { immutable: true })))

  const ajv = new Ajv({ code: { source: true, esm: true }, strict: false, validateFormats: false })
  ajv.addSchema(withoutWords(document), api)
  const checks = Object.fromEntries(names.map((name) => [`is${name}`, `${api}#/components/schemas/${name}`]))
  writeFileSync(`${folder}/${api}-checks.js`, standalone(ajv, checks))
  const declared = names.map((name) => `export declare const is${name}: Check<components['schemas']['${name}']>\n`)
  const imports = [`import type { components } from './${api}'\n`, "import type { Check } from '../check'\n", '\n']
  writeFileSync(`${folder}/${api}-checks.d.ts`, [...imports, ...declared].join(''))
}

/** The document without what checks nothing. */
function withoutWords(document) {
  return JSON.parse(JSON.stringify(document, (key, value) => (key === 'description' && typeof value === 'string' ? undefined : value)))
}
