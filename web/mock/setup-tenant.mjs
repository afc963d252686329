// The tenant of the mock's Agent Setup.

/** The field that is the id of each kind. */
export const ID_FIELDS = {
  tenant: 'id',
  skill: 'name',
  prompt: 'name',
  application: 'name',
  dn: 'number',
  place: 'name',
  person: 'user_name',
  number: 'number',
  trunk: 'name',
  feature_code: 'code',
  schedule: 'name',
  dial_rule: 'name',
  client: 'id',
  agent_group: 'name',
  action_code: 'code',
  list: 'name',
  business_attribute: 'name',
  place_group: 'name',
  capacity_rule: 'name',
  dn_group: 'name',
  trunk_group: 'name',
  calling_list: 'name',
  campaign: 'name',
  campaign_group: 'name',
  ivr_profile: 'name',
  statistic_definition: 'name',
  transaction: 'name',
  switch: 'name',
  agent_login: 'code',
  access_group: 'name',
  role: 'name',
  folder: 'path',
}

/** The id of an object in addresses: the tenant itself is a dash. */
export const idOf = (kind, object) => (kind === 'tenant' ? '-' : object[ID_FIELDS[kind]])

const FIRST = ['Ada', 'Ben', 'Cleo', 'Dora', 'Emil', 'Fay', 'Gus', 'Hana', 'Ivo', 'Jana']
const LAST = ['Adler', 'Brandt', 'Celik', 'Dorn', 'Engel', 'Falk']
const SCXML = '<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" initial="welcome">\n  <state id="welcome"/>\n</scxml>\n'

const TENANT = {
  id: 'example',
  name: 'Example',
  realm: 'example.invalid',
  codecs: ['PCMA', 'PCMU', 'opus'],
  hold_music: 'music',
  no_answer_s: 15,
  wrap_up_s: 0,
  confirmation_prompt: null,
  refusal_prompt: null,
  country_prefix: '+49',
  national_prefix: '0',
  international_prefix: '00',
  time_zone: 'Europe/Berlin',
  outgoing_max: null,
  require_second_factor: ['administrator'],
  sign_in: { upstream: null },
  agents: {
    no_answer_action: 'not_ready',
    legal_guard_s: 0,
    logout_on_out_of_service: false,
    auto_logout_min: 0,
    auto_logout_ready: false,
    untimed_wrap_up_s: 1_000,
    timed_acw_in_idle: true,
    acw_in_idle_force_ready: true,
    login_password: 'optional',
    strict_action_codes: false,
  },
  location: null,
}

/** Its objects, each after those that it names. */
export function exampleTenant(people) {
  const of = (kind, objects) => objects.map((object) => ({ kind, object }))
  const number = (index) => String(7101 + index)
  const indexes = Array.from({ length: people }, (_, index) => index)
  return [
    ...of('skill', ['English', 'French', 'Sales', 'Support'].map((name) => ({ name }))),
    ...of('prompt', ['music', 'sales-welcome', 'closed'].map((name) => ({ name, file: `${name}.wav` }))),
    ...of('application', ['sales', 'support'].map((name) => ({ name, document: name === 'sales' ? SCXML.replace('/>\n', `><onentry><dialog:play prompts="['sales-welcome']"/></onentry></state>\n`) : SCXML, options: {} }))),
    ...of('dn', [
      ...indexes.map((index) => ({ number: number(index), switch: null, type: 'extension', password: 'secret', no_answer_s: null, call_waiting: true, outgoing_max: null, direct_media: false, encryption: 'off', location: null })),
      { number: '9000', switch: null, type: 'route_point', application: 'sales', default_dn: null, service_level_s: 20, short_abandon_s: 5, wrap_up_s: null },
      { number: '9001', switch: null, type: 'route_point', application: 'support', default_dn: '9000', service_level_s: 30, short_abandon_s: 5, wrap_up_s: 10 },
      { number: '9003', switch: null, type: 'echo' },
      { number: '9004', switch: null, type: 'announcement', prompts: ['closed'] },
      { number: 'sales', switch: null, type: 'virtual_queue' },
      { number: 'support', switch: null, type: 'virtual_queue' },
    ]),
    ...of('place', indexes.map((index) => ({ name: `P${number(index)}`, dns: [number(index)], location: null }))),
    ...of('person', indexes.map((index) => person(index, number(index)))),
    ...of('schedule', [{ name: 'office', time_zone: 'Europe/Berlin', open: ['Mon-Fri 08:00-18:00', 'Sat 10:00-14:00'], exceptions: ['2026-12-25 closed'] }]),
    ...of('number', [
      { number: '+15550100', name: 'sales', dn: '9000', schedule: 'office', closed_dn: '9004' },
      { number: '+15550101', name: 'support', dn: '9001', schedule: null, closed_dn: null },
    ]),
    ...of('trunk', [{ name: 'carrier', allow: ['127.0.0.0/8'], contact: 'sip.carrier.example;transport=tls', prefix: '+', encryption: 'off', diversion: 'diversion', headers: [], stir: { verify: 'off' } }]),
    ...of('feature_code', [{ code: '*50', action: 'login', ask_pin: false }, { code: '*51', action: 'logout', ask_pin: false }, { code: '*52', action: 'ready', ask_pin: false }]),
    ...of('dial_rule', [
      { name: 'emergency', place: 0, pattern: '112', action: 'emergency', trunk: null },
      { name: 'premium', place: 1, pattern: '+49900.', action: 'block', reason: 'premium numbers are not called' },
      { name: 'outside', place: 2, pattern: '0.', action: 'translate', remove: 1, add: '' },
      { name: 'daily', place: 3, pattern: '+.', action: 'limit', per: 'phone', calls: 100, minutes: null },
    ]),
    ...of('client', [{ id: 'reports', name: 'Reports', secret: 'secret', grants: ['client_credentials'], redirect_uris: [], scopes: ['statistics:read'], backchannel_logout_uri: null }]),
    ...of('agent_group', [
      { name: 'Day team', agents: ['ada.adler', 'ben.adler'].slice(0, people), expression: null, managers: ['ada.adler'].slice(0, people) },
      { name: 'Seniors', agents: [], expression: 'Sales >= 5 & (Support >= 1 | English >= 1)', managers: [] },
    ]),
    ...of('action_code', [{ code: '1', name: 'Lunch', order: 1 }, { code: '2', name: 'Training', order: 2 }, { code: '9', name: 'Other', order: null }]),
    ...of('list', [{ name: 'Branches', sections: { berlin: { greeting: 'welcome-de', open: '09:00' }, paris: { greeting: 'welcome-fr', open: '08:30' }, 'st.gallen': { open: '10:00' } } }]),
    ...of('business_attribute', [{ name: 'Language', values: [{ value: 'en', display_name: 'English' }, { value: 'de', display_name: 'German' }, { value: 'fr', display_name: null }], default: 'en' }]),
    ...of('place_group', [{ name: 'Floor 2', places: ['P7101', 'P7102'].slice(0, people) }]),
    ...of('dn_group', [{ name: 'Entries', type: 'routing_points', members: [{ dn: '9000', weight: 2 }, { dn: '9001', weight: 1 }] }]),
    ...of('trunk_group', [{ name: 'Germany', prefix: '+49', members: [{ trunk: 'carrier', order: 0, weight: 1 }] }]),
    ...of('calling_list', [{ name: 'Spring offers', fields: [{ name: 'mobile', type: 'phone' }], source: null, schedule: 'office', attempts_max: 3, treatments: [{ result: 'busy', action: 'retry', after_min: 10 }] }]),
    ...of('campaign', [{ name: 'Spring', calling_lists: [{ calling_list: 'Spring offers', weight: 1 }] }]),
    ...of('campaign_group', [{ name: 'Spring by day', campaign: 'Spring', agent_group: 'Seniors', mode: 'predictive', pacing: 'abandon_percent', target: 3, route_point: '9000' }]),
    ...of('ivr_profile', [{ name: 'Support menu', service_type: 'scxml', initial_page_url: null, application: 'support', policies: { calls_max: null, duration_max_s: 600, transfers: true, outgoing_calls: false } }]),
    ...of('statistic_definition', [{ name: 'Answered', category: 'TotalNumber', subject: 'DNAction', objects: ['RoutePoint'], main: ['CallAnswered'], relative: [], profile: 'growing', resets: null, window_s: null, step_s: null, range_from_s: null, range_to_s: null, short_abandon_s: null, filter: null, description: null }]),
    ...of('capacity_rule', [{ name: 'One call', media: { voice: 1, chat: null, email: null, sms: null, video: null, work_item: null } }]),
    ...of('transaction', [{ name: 'Short', type: 'time_range', alias: 'Short calls', sections: { range: { from: '0', to: '20' } } }]),
    ...of('switch', [{ name: 'Berlin', default: true, access_codes: [{ switch: 'Paris', code: '*33' }] }, { name: 'Paris', default: false, access_codes: [] }]),
    ...of('agent_login', [{ code: '5001', person: people > 1 ? 'ben.adler' : null, wrap_up_s: 20, disabled: false }]),
    ...of('access_group', [{ name: 'Berlin', people: ['ada.adler'].slice(0, people), groups: [] }]),
    ...of('role', [{ name: 'Leads', people: [], groups: ['Berlin'], privileges: ['supervisor'] }]),
    ...of('folder', [{ path: 'Berlin', description: null, permissions: [{ group: 'Berlin', person: null, rights: ['read', 'change'], no_access: false, propagate: true }] }]),
    ...of('tenant', [TENANT]),
  ]
}

function person(index, dn) {
  const [first, last] = [FIRST[index % FIRST.length], LAST[Math.floor(index / FIRST.length) % LAST.length]]
  const skills = [{ skill: 'Sales', level: 5 }, ...(index % 2 === 1 ? [{ skill: 'Support', level: 3 }, { skill: 'English', level: 1 }] : [])]
  const again = Math.floor(index / (FIRST.length * LAST.length))
  return {
    user_name: `${first}.${last}${again === 0 ? '' : again}`.toLowerCase(),
    first_name: first,
    last_name: last,
    agent: { id: `a${dn}`, login_code: `a${dn}`, pin: '123456', default_place: `P${dn}`, wrap_up_s: null, legal_guard_s: null, no_answer_action: null, skills },
    email: null,
    password: 'secret-hash',
    privileges: ['agent'],
    disabled: false,
  }
}
