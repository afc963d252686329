import { describe, expect, test } from 'vitest'
import { addTexts, t } from '../../lib/i18n'
import { update } from './edits'
import { ownFaults, serverFaults } from './faults'
import { shownFields, switchOf } from './fields'
import { toDraft, toObject } from './form'
import { formOfKind } from './forms'
import { DIAL_ACTIONS, DIAL_RULE } from './kinds/dial-rule'
import { CLIENT } from './kinds/others'
import { PERSON } from './kinds/person'
import { TENANT } from './kinds/tenant'
import { TRUNK } from './kinds/trunk'
import { removedSecrets } from './secrets'
import { sectionAt, SECTIONS, titleOf } from './sections'

await addTexts('agent-setup')
await addTexts('agent-setup-forms')

const tenant = {
  id: 'example',
  name: 'Example',
  realm: 'example.invalid',
  codecs: ['PCMA', 'opus'],
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
  sign_in: { upstream: null, passkeys_need_password: false, published_grants: true, hosts: [] as string[], addresses: [] as string[], addresses_only: false },
  agents: { no_answer_action: 'not_ready', legal_guard_s: 0, logout_on_out_of_service: false, auto_logout_min: 0, auto_logout_ready: false, untimed_wrap_up_s: 1_000, timed_acw_in_idle: true, acw_in_idle_force_ready: true, login_password: 'optional', strict_action_codes: false },
  location: null,
}
const stored = { id: '-', revision: 7, object: tenant }
const draft = toDraft(TENANT, tenant)
/** The edit that a form leads to. */
const edit = (of: typeof draft) => update('tenant', stored, toObject(TENANT, of, tenant), removedSecrets(TENANT, of).map(({ path }) => path))

describe('the settings of a tenant', () => {
  test('what nobody has touched stays', () => {
    expect(toObject(TENANT, draft, tenant)).toEqual(tenant)
    expect(edit(draft)).toBeUndefined()
  })
  test('the field that is touched is the only one that is sent', () => {
    expect(edit({ ...draft, no_answer_s: '20' })).toMatchObject({ id: '-', action: 'merge', fields: ['no_answer_s'], object: { no_answer_s: 20 } })
    expect(edit({ ...draft, codecs: 'opus\nPCMA\n' })).toMatchObject({ fields: ['codecs'], object: { codecs: ['opus', 'PCMA'] } })
    expect(edit({ ...draft, require_second_factor: [] })).toMatchObject({ fields: ['require_second_factor'], object: { require_second_factor: [] } })
    expect(edit({ ...draft, 'agents.legal_guard_s': '5' })).toMatchObject({ fields: ['agents.legal_guard_s'] })
    expect(edit({ ...draft, 'agents.strict_action_codes': true })).toMatchObject({ fields: ['agents.strict_action_codes'], object: { agents: { strict_action_codes: true } } })
  })
  test('programs without the page are refused by one field, and host names and addresses are lines', () => {
    expect(edit({ ...draft, 'sign_in.published_grants': false })).toMatchObject({ fields: ['sign_in.published_grants'], object: { sign_in: { published_grants: false } } })
    const only = edit({ ...draft, 'sign_in.addresses': '203.0.113.0/24\n2001:db8::/32\n', 'sign_in.addresses_only': true })
    expect(only).toMatchObject({ fields: ['sign_in.addresses', 'sign_in.addresses_only'], object: { sign_in: { addresses: ['203.0.113.0/24', '2001:db8::/32'], addresses_only: true } } })
    expect(edit({ ...draft, 'sign_in.hosts': 'acme.example\nphone.acme.example\n' })).toMatchObject({ fields: ['sign_in.hosts'], object: { sign_in: { hosts: ['acme.example', 'phone.acme.example'] } } })
  })
  test('a provider comes as a whole, changes by its fields, and goes', () => {
    const given = { ...draft, [switchOf('sign_in.upstream')]: true, 'sign_in.upstream.name': 'Acme', 'sign_in.upstream.issuer': 'https://id.acme.example', 'sign_in.upstream.client_id': 'trunkline', 'sign_in.upstream.client_secret': 'hush' }
    const upstream = { name: 'Acme', issuer: 'https://id.acme.example', client_id: 'trunkline', client_secret: 'hush', scopes: [], person: 'email', claim: null, only: false, trusted_factor: false }
    expect(edit(given)).toMatchObject({ fields: ['sign_in.upstream'], object: { sign_in: { upstream } } })
    const { client_secret: _, ...shown } = upstream
    const withIt = { ...tenant, sign_in: { upstream: { ...shown, client_secret: null } } }
    const changed = toObject(TENANT, { ...toDraft(TENANT, withIt), 'sign_in.upstream.only': true }, withIt)
    expect(update('tenant', { ...stored, object: withIt }, changed)).toMatchObject({ fields: ['sign_in.upstream.only'] })
    const gone = toObject(TENANT, { ...toDraft(TENANT, withIt), [switchOf('sign_in.upstream')]: false }, withIt)
    expect(update('tenant', { ...stored, object: withIt }, gone)).toMatchObject({ fields: ['sign_in.upstream'], object: { sign_in: { upstream: null } } })
  })
  test('faults stand at their fields, those of the page and those of the server', () => {
    expect(ownFaults(TENANT, { ...draft, no_answer_s: '0', hold_music: '' }, false)).toEqual({ no_answer_s: ['It is a whole number from 1 to 600.'], hold_music: ['It is needed.'] })
    const fault = { kind: 'tenant', id: '-', rule: '' } as const
    expect(
      serverFaults(TENANT, draft, '-', [
        { ...fault, field: 'time_zone', code: 'time_zone', values: { name: 'Nowhere' } },
        { ...fault, field: 'codecs[1]', code: 'one_of', values: { names: 'PCMU, PCMA' } },
      ]),
    ).toEqual({ time_zone: ['There is no time zone Nowhere.'], codecs: ['It is one of: PCMU, PCMA.'] })
  })
  test('the tenant is called by what it is, others by their names', () => {
    const [own, skills] = [sectionAt('tenant'), sectionAt('skills')]
    expect([own === undefined ? '' : titleOf(own, '-'), skills === undefined ? '' : titleOf(skills, 'Sales')]).toEqual(['Tenant', 'Sales'])
  })
})

describe('dial rules', () => {
  const begun = { ...toDraft(DIAL_RULE, { place: 3 }), name: 'r', pattern: '0.' }
  const made = (fields: object) => toObject(DIAL_RULE, { ...begun, ...fields }, null)
  const common = { name: 'r', pattern: '0.', place: 3 }
  test('a new one says what its action needs, and nothing else', () => {
    expect(made({ action: 'translate', remove: '1' })).toEqual({ ...common, action: 'translate', remove: 1, add: '' })
    expect(made({ action: 'block', reason: 'too dear' })).toEqual({ ...common, action: 'block', reason: 'too dear' })
    expect(made({ action: 'caller_id', shows: '+4930' })).toEqual({ ...common, action: 'caller_id', shows: '+4930', trunk: null })
    expect(made({ action: 'route', trunk: 'carrier' })).toEqual({ ...common, action: 'route', trunk: 'carrier', cost: 0, schedule: null })
    expect(made({ action: 'limit', minutes: '60' })).toEqual({ ...common, action: 'limit', per: 'phone', calls: null, minutes: 60 })
    expect(made({ action: 'emergency' })).toEqual({ ...common, action: 'emergency', trunk: null })
    expect(made({ action: 'send', add: '49', trunk: 'carrier' })).toEqual({ ...common, action: 'send', remove: 0, add: '49', trunk: 'carrier' })
  })
  test.each(DIAL_ACTIONS)('%s has fields of its own, no two of one path', (action) => {
    const paths = shownFields(DIAL_RULE, { ...begun, action }).map(({ path }) => path)
    expect(paths.length).toBeGreaterThan(4)
    expect(new Set(paths).size).toBe(paths.length)
  })
  test('faults of the server stand at the fields of the action', () => {
    const fault = { kind: 'dial_rule', id: 'r', rule: '' } as const
    const found = serverFaults(DIAL_RULE, { ...begun, action: 'limit' }, 'r', [
      { ...fault, field: 'calls', code: 'needed_or', values: { field: 'minutes' } },
      { ...fault, field: 'pattern', code: 'own_number', values: { kind: 'dn', id: '7101' } },
    ])
    expect(found).toEqual({ calls: ['It or “Minutes of calls in a day” is needed.'], pattern: ['Nobody could call DN 7101 any more.'] })
  })
})

describe('a client', () => {
  const begun = { ...toDraft(CLIENT, {}), id: 'reports', name: 'Reports', grants: ['client_credentials'] }
  const key = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }
  test('has keys by a set, a list or one of them', () => {
    for (const said of [{ keys: [key] }, [key], key]) {
      const typed = { ...begun, jwks: JSON.stringify(said) }
      expect(ownFaults(CLIENT, typed, true)).toEqual({})
      expect(toObject(CLIENT, typed, null)).toMatchObject({ jwks: { keys: [key] } })
    }
    const held = toObject(CLIENT, { ...begun, jwks: JSON.stringify(key) }, null)
    expect(toObject(CLIENT, toDraft(CLIENT, held), held)).toEqual(held)
    expect(toObject(CLIENT, { ...toDraft(CLIENT, held), jwks: ' ' }, held)).toMatchObject({ jwks: null })
  })
  test('has no key of which the private part, or nothing, is said', () => {
    const fault = (jwks: string) => ownFaults(CLIENT, { ...begun, jwks }, true)['jwks']?.[0]
    for (const wrong of ['{', '7', '{}', '[]', '{"keys": []}', '["x"]']) expect(fault(wrong), wrong).toContain('no key set')
    for (const secret of [{ ...key, d: 'x' }, { keys: [key, { kty: 'oct', k: 'x' }] }]) expect(fault(JSON.stringify(secret))).toContain('private part')
  })
  test('is told which of its keys is wrong', () => {
    const fault = { kind: 'client', id: 'reports', field: 'jwks.keys[1].kid', rule: 'odd', code: 'other', values: {} } as const
    expect(serverFaults(CLIENT, begun, 'reports', [fault])).toEqual({ jwks: ['keys[1].kid: odd'] })
  })
  test('does not say what is so without it', () => {
    expect(toObject(CLIENT, begun, null)).toMatchObject({ frontchannel_logout_uri: null, frontchannel_logout_session_required: null })
    expect(toObject(CLIENT, { ...begun, frontchannel_logout_session_required: false }, null)).toMatchObject({ frontchannel_logout_session_required: false })
    const carrier = { name: 'carrier', reliable: false }
    expect(toObject(TRUNK, { ...toDraft(TRUNK, carrier), reliable: true }, carrier)).toMatchObject({ reliable: null })
    expect(toDraft(TRUNK, { name: 'carrier' })['reliable']).toBe(true)
  })
})

describe('sections', () => {
  test('each has a form, a key of its own and an id that its form has', () => {
    for (const { kind, id, path } of SECTIONS) expect(formOfKind(kind).flatMap(({ fields }) => fields.map((field) => field.path)), path).toContain(id)
    const keys = SECTIONS.map(({ key }) => key)
    expect(new Set(keys).size).toBe(keys.length)
    // Those of the frame: to the dashboards, to Agent Setup.
    expect(keys.filter((key) => key === 'd' || key === 'a')).toEqual([])
  })
})

test('a second factor is taken away, never set', () => {
  const ann = { user_name: 'ann', first_name: 'Ann', last_name: 'Archer', second_factor: null }
  const removed = { ...toDraft(PERSON, ann), second_factor: false }
  expect(removedSecrets(PERSON, removed).map(({ label }) => t(label))).toEqual(['Second factor'])
  expect(update('person', { id: 'ann', revision: 7, object: ann }, toObject(PERSON, removed, ann), ['second_factor'])).toMatchObject({ fields: ['second_factor'], object: { second_factor: null } })
})
