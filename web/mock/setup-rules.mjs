// The rules of a tenant, as far as the pages' tests need them.

import { broken, ofDnGroup, ofIvrProfile, ofStatistic, ofTransaction } from './setup-further-rules.mjs'
import { ID_FIELDS } from './setup-tenant.mjs'

const LEVEL_MAX = 1_000
const PASSWORD_LEAST = 8

/** What an object names, and where. */
export function references(kind, object) {
  const one = (to, id, field) => (typeof id === 'string' && id !== '' ? [{ kind: to, id, field }] : [])
  switch (kind) {
    case 'person':
      return [...one('place', object.agent?.default_place, 'agent.default_place'), ...(object.agent?.skills ?? []).flatMap(({ skill }) => one('skill', skill, 'agent.skills')), ...one('capacity_rule', object.agent?.capacity_rule, 'agent.capacity_rule')]
    case 'place':
      return [...(object.dns ?? []).flatMap((dn) => one('dn', dn, 'dns')), ...one('capacity_rule', object.capacity_rule, 'capacity_rule')]
    case 'dn':
      return [...one('application', object.application, 'application'), ...one('dn', object.default_dn, 'default_dn'), ...(object.prompts ?? []).flatMap((prompt) => one('prompt', prompt, 'prompts')), ...one('switch', object.switch, 'switch')]
    case 'tenant':
      return ['hold_music', 'confirmation_prompt', 'refusal_prompt'].flatMap((field) => one('prompt', object[field], field))
    case 'dial_rule':
      return [...one('trunk', object.trunk, 'trunk'), ...one('schedule', object.schedule, 'schedule')]
    case 'number':
      return [...one('dn', object.dn, 'dn'), ...one('schedule', object.schedule, 'schedule'), ...one('dn', object.closed_dn, 'closed_dn')]
    case 'agent_group':
      return [
        ...['agents', 'managers'].flatMap((field) => (object[field] ?? []).flatMap((user) => one('person', user, field))),
        ...skillsOf(object.expression ?? '').flatMap((skill) => one('skill', skill, 'expression')),
      ]
    case 'place_group':
      return (object.places ?? []).flatMap((place) => one('place', place, 'places'))
    case 'dn_group':
      return (object.members ?? []).flatMap(({ dn }) => one('dn', dn, 'members'))
    case 'trunk_group':
      return (object.members ?? []).flatMap(({ trunk }) => one('trunk', trunk, 'members'))
    case 'calling_list':
      return one('schedule', object.schedule, 'schedule')
    case 'campaign':
      return (object.calling_lists ?? []).flatMap((list) => one('calling_list', list.calling_list, 'calling_lists'))
    case 'campaign_group':
      return [...one('campaign', object.campaign, 'campaign'), ...one('agent_group', object.agent_group, 'agent_group'), ...one('dn', object.route_point, 'route_point')]
    case 'ivr_profile':
      return one('application', object.application, 'application')
    case 'switch':
      return (object.access_codes ?? []).flatMap((to) => one('switch', to.switch, 'access_codes'))
    case 'agent_login':
      return one('person', object.person, 'person')
    case 'access_group':
    case 'role':
      return [...(object.people ?? []).flatMap((user) => one('person', user, 'people')), ...(object.groups ?? []).filter((group) => group !== 'Everyone').flatMap((group) => one('access_group', group, 'groups'))]
    case 'folder':
      return (object.permissions ?? []).flatMap(({ group, person }, index) => [
        ...(['Everyone', 'Administrators'].includes(group) ? [] : one('access_group', group, `permissions[${index}].group`)),
        ...one('person', person, `permissions[${index}].person`),
      ])
    default:
      return []
  }
}

/** The names of skills in an expression, as far as they are words. */
const skillsOf = (expression) => [...new Set([...expression.matchAll(/([A-Za-z_]\w*)\s*[<>=!]/g)].map((match) => match[1]))]

/** Every rule that the objects break after some edits. */
export function faultsOf(setup, edits) {
  const all = [...setup.objects.values()]
  const named = all.flatMap(({ kind, id, object }) =>
    references(kind, object)
      .filter((reference) => setup.get(reference.kind, reference.id) === undefined)
      .map((reference) => ({ kind, id, ...broken(reference.field, `there is no ${reference.kind} ${reference.id}`, 'unknown', { kind: reference.kind, id: reference.id }) })),
  )
  const own = edits.flatMap(({ kind, id }) => {
    const stored = setup.get(kind, id)
    return stored === undefined ? [] : ownFaults(setup, kind, stored.object).map((fault) => ({ kind, id, ...fault }))
  })
  return [...own, ...named]
}

function ownFaults(setup, kind, object) {
  const faults = []
  const needs = { tenant: ['name', 'realm', 'hold_music'], person: ['first_name', 'last_name'], number: ['name', 'dn'], prompt: ['file'], dial_rule: ['pattern'], action_code: ['name'] }[kind] ?? []
  for (const field of [ID_FIELDS[kind], ...needs]) if (!object[field]) faults.push(broken(field, 'it is needed', 'needed'))
  if (kind === 'dn' && object.type === 'extension' && !/^[0-9]+$/.test(object.number)) faults.push(broken('number', 'the number of a phone has digits alone', 'other'))
  if (kind === 'schedule') for (const open of object.open) if (!/^[A-Z][a-z]{2}[-,A-Za-z]* \d\d:\d\d-\d\d:\d\d$/.test(open)) faults.push(broken('open', `"${open}" is no line of hours, as "Mon-Fri 08:00-18:00"`, 'hours', { line: open }))
  if (kind === 'tenant') faults.push(...ofTenant(object))
  if (kind === 'dial_rule') faults.push(...ofDialRule(object))
  if (kind === 'person') faults.push(...ofPerson(setup, object))
  if (kind === 'agent_group') faults.push(...ofAgentGroup(object))
  if (kind === 'action_code') faults.push(...ofActionCode(setup, object))
  if (kind === 'list' || kind === 'transaction') faults.push(...ofList(object))
  if (kind === 'business_attribute') faults.push(...ofAttribute(object))
  if (kind === 'dn_group') faults.push(...ofDnGroup(setup, object))
  if (kind === 'ivr_profile') faults.push(...ofIvrProfile(object))
  if (kind === 'statistic_definition') faults.push(...ofStatistic(object))
  if (kind === 'transaction') faults.push(...ofTransaction(object))
  return faults
}

function ofTenant(tenant) {
  const faults = []
  const upstream = tenant.sign_in?.upstream
  if (typeof tenant.time_zone === 'string' && !/^(UTC|[A-Z][a-z]+\/[A-Z][A-Za-z_]+)$/.test(tenant.time_zone)) {
    faults.push(broken('time_zone', `there is no time zone "${tenant.time_zone}"`, 'time_zone', { name: tenant.time_zone }))
  }
  if (upstream && !upstream.issuer?.startsWith('https://')) faults.push(broken('sign_in.upstream.issuer', 'it must begin with https://', 'url', { why: 'it must begin with https://' }))
  return faults
}

function ofDialRule(rule) {
  const faults = []
  if (rule.pattern && !/^[0-9+*#x[\]-]+\.?$/.test(rule.pattern)) faults.push(broken('pattern', 'it is no pattern', 'pattern', { why: 'it is no pattern' }))
  if (rule.action === 'limit' && (rule.calls ?? null) === null && (rule.minutes ?? null) === null) faults.push(broken('calls', 'it or minutes is needed', 'needed_or', { field: 'minutes' }))
  return faults
}

function ofAgentGroup({ name, agents = [], expression }) {
  const faults = []
  if (/["']/.test(name)) faults.push(broken('name', 'it may have no quotation mark', 'quotation_mark'))
  if (!expression) return faults
  if (agents.length > 0) faults.push(broken('expression', 'it has a meaning without `agents` alone', 'only_without', { field: 'agents' }))
  const why = `column ${expression.length + 1}: a skill, a number or '(' is wanted, not the end`
  if (/[<>=&|+*/(-]\s*$/.test(expression)) faults.push(broken('expression', why, 'skill_expression', { why }))
  return faults
}

/** A request has a code or a name: both mean one reason. */
function ofActionCode(setup, { code, name }) {
  const words = (reason) => [reason.code, reason.name].map((word) => (word ?? '').toLowerCase())
  const other = setup.all('action_code').find((one) => one.code !== code && words(one).some((word) => words({ code, name }).includes(word)))
  return other === undefined ? [] : [broken('name', `the reason ${other.code} has that code or name already`, 'held', { kind: 'action_code', by: other.code, value: name })]
}

const VALUE_MOST = 1_024

function ofList({ sections = {} }) {
  const names = Object.entries(sections).flatMap(([section, values]) => [section, ...Object.keys(values)])
  const keys = names.filter((name) => name === '' || name.length > 255).map((name) => broken('sections', 'a name has 1 to 255 bytes', 'list_key', { key: name.slice(0, 16), most: '255' }))
  const long = Object.entries(sections).flatMap(([section, values]) =>
    Object.entries(values).flatMap(([key, value]) => (value.length > VALUE_MOST ? [broken(`sections.${section}.${key}`, `it has more than ${VALUE_MOST} bytes`, 'too_long', { most: String(VALUE_MOST) })] : [])),
  )
  return [...keys, ...long]
}

function ofAttribute({ values = [], default: chosen, attach_default: attached, enforced }) {
  const names = values.map(({ value }) => value)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  return [
    ...(twice === undefined ? [] : [broken('values', `${twice} stands there twice`, 'twice', { name: twice })]),
    ...(chosen && !names.includes(chosen) ? [broken('default', `${chosen} is none of its values`, 'one_of', { names: names.join(', ') })] : []),
    ...(enforced && names.length === 0 ? [broken('values', 'without values every value would be refused', 'needed_with', { field: 'enforced' })] : []),
    ...(attached && !chosen ? [broken('default', 'without it there is nothing to attach', 'needed_with', { field: 'attach_default' })] : []),
  ]
}

function ofPerson(setup, person) {
  const faults = []
  if (typeof person.password === 'string' && person.password.length < PASSWORD_LEAST) faults.push(broken('password', `it has fewer than ${PASSWORD_LEAST} characters`, 'too_short', { least: String(PASSWORD_LEAST) }))
  if (typeof person.email === 'string' && !person.email.includes('@')) faults.push(broken('email', 'it is no address, as ann@centre.example', 'other'))
  const { agent } = person
  if (!agent) return faults
  const other = setup.all('person').find((one) => one.user_name !== person.user_name && one.agent?.id === agent.id)
  if (other !== undefined) faults.push(broken('agent.id', `${other.user_name} has the id ${agent.id} already`, 'held', { kind: 'person', by: other.user_name, value: agent.id }))
  for (const { skill, level } of agent.skills ?? []) {
    if (!(Number.isInteger(level) && level >= 1 && level <= LEVEL_MAX)) faults.push(broken(`agent.skills.${skill}`, `${level} is not from 1 to ${LEVEL_MAX}`, 'out_of_range', { least: '1', most: String(LEVEL_MAX) }))
  }
  return faults
}
