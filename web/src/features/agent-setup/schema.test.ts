import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { Field } from './fields'
import { formOfKind } from './forms'

type Shape = { readonly properties?: Readonly<Record<string, Shape>>; readonly items?: Shape; readonly additionalProperties?: Shape | boolean }

const file = JSON.parse(readFileSync(fileURLToPath(new URL('../../../../data/tenant.schema.json', import.meta.url)), 'utf8')) as Shape
const sections = Object.entries(file.properties ?? {}).filter(([, { items }]) => items?.properties !== undefined)

/** The kinds of the objects in the sections of a tenant's file. */
const KINDS: Readonly<Record<string, string>> = {
  phones: 'dn',
  route_points: 'dn',
  services: 'dn',
  places: 'place',
  people: 'person',
  numbers: 'number',
  trunks: 'trunk',
  feature_codes: 'feature_code',
  schedules: 'schedule',
  dial_rules: 'dial_rule',
  clients: 'client',
  agent_groups: 'agent_group',
  action_codes: 'action_code',
  lists: 'list',
  business_attributes: 'business_attribute',
  place_groups: 'place_group',
  capacity_rules: 'capacity_rule',
  dn_groups: 'dn_group',
  trunk_groups: 'trunk_group',
  calling_lists: 'calling_list',
  campaigns: 'campaign',
  campaign_groups: 'campaign_group',
  ivr_profiles: 'ivr_profile',
  statistic_definitions: 'statistic_definition',
  transactions: 'transaction',
  switches: 'switch',
  agent_logins: 'agent_login',
  access_groups: 'access_group',
  roles: 'role',
  folders: 'folder',
}
/** Sections that have names alone, or names with one value. */
const NAMES = ['skills', 'queues', 'prompts', 'applications']
/** What the file calls otherwise than documents do. */
const RENAMED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  tenant: { tenant: 'id' },
  person: { user: 'user_name', 'agent.place': 'agent.default_place' },
  dial_rule: { caller_id: 'shows' },
}

/** Every path within a shape: `agent.skills`, and `headers[].value` of rows. */
function pathsOf({ properties, items }: Shape, at = ''): readonly string[] {
  if (items?.properties !== undefined) return pathsOf(items, `${at}[]`)
  if (properties === undefined) return [at]
  return Object.entries(properties).flatMap(([name, shape]) => pathsOf(shape, at === '' ? name : `${at}.${name}`))
}

/** The paths that a field is about. */
function pathsOfField(field: Field): readonly string[] {
  return field.kind === 'rows' ? [field.path, ...field.columns.map(({ name }) => `${field.path}[].${name}`)] : [field.path]
}

function lackingIn(kind: string, shape: Shape): readonly string[] {
  const fields = formOfKind(kind).flatMap((group) => group.fields)
  const known = new Set(fields.flatMap(pathsOfField))
  const isWhole = (path: string): boolean => fields.some((field) => field.kind === 'keys' && path.startsWith(`${field.path}.`))
  return pathsOf(shape).map((path) => RENAMED[kind]?.[path] ?? path).filter((path) => !known.has(path) && !isWhole(path))
}

describe('every setting that a tenant’s file may have has a field', () => {
  test('of the tenant', () => {
    const own = Object.entries(file.properties ?? {}).filter(([name]) => !NAMES.includes(name) && sections.every(([section]) => section !== name))
    expect(own.length).toBeGreaterThan(10)
    expect(lackingIn('tenant', { properties: Object.fromEntries(own) })).toEqual([])
  })
  test('sections are known', () => {
    expect(sections.map(([name]) => name).filter((name) => KINDS[name] === undefined)).toEqual([])
  })
  test.each(sections.map(([name, { items }]) => [name, KINDS[name] ?? '', items ?? {}] as const).filter(([, kind]) => formOfKind(kind).length > 0))('of %s', (_, kind, shape) => {
    expect(pathsOf(shape).length).toBeGreaterThan(1)
    expect(lackingIn(kind, shape)).toEqual([])
  })
})
