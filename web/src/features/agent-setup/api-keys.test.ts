import { describe, expect, test } from 'vitest'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { addTexts } from '../../lib/i18n'
import { EMPTY_KEY, faultsOfKey, isEmptyKey, isGood, lastDays, offered, serverFaultsOfKey, stateOf, wantedOf, wordsOfScope } from './api-keys'

await addTexts('agent-setup')
await addTexts('agent-setup-forms')
await addTexts('api-keys')

const DAY = 86_400_000
const NOW = Date.parse('2026-07-02T12:00:00Z')
const crm = { ...EMPTY_KEY, name: ' crm ', scopes: ['webhooks'] }

describe('a key that there is', () => {
  const state = (endsAt: number, revokedAt?: number) => stateOf({ endsAt, revokedAt }, NOW)
  test('is good until its end, or until it is revoked', () => {
    expect([state(NOW + 300 * DAY), state(NOW + 14 * DAY), state(NOW), state(NOW + DAY, NOW - DAY)]).toEqual(['active', 'ending', 'ended', 'revoked'])
    expect([isGood('active'), isGood('ending'), isGood('ended'), isGood('revoked')]).toEqual([true, true, false, false])
  })
})

describe('a new key', () => {
  test('has no scope that its maker has not, nor one that says who somebody is', () => {
    expect(offered(['openid', 'config:read', 'brand:new', 'calls:read', 'email'])).toEqual(['calls:read', 'config:read', 'brand:new'])
    expect([wordsOfScope('config:read'), wordsOfScope('brand:new'), wordsOfScope('constructor')]).toEqual(['Read the configuration, without its secrets', undefined, undefined])
  })
  test('every scope that some privilege has is said in words', () => {
    const page = readFileSync(fileURLToPath(new URL('../../../../docs/sign-in.md', import.meta.url)), 'utf8')
    const rows = page.slice(page.indexOf('| privilege | scopes |')).split('\n\n')[0] ?? ''
    const scopes = [...new Set([...rows.matchAll(/(?:calls|agents|statistics|config|topology|trace|workspace):[a-z]+|webhooks/g)].map(([name]) => name))]
    expect(scopes.length).toBeGreaterThan(8)
    expect(scopes.filter((scope) => wordsOfScope(scope) === undefined)).toEqual([])
  })
  test('needs a name and a scope, and ends within two years', () => {
    expect(faultsOfKey(EMPTY_KEY, NOW)).toEqual({ name: ['It is needed.'], scopes: ['It needs at least one scope.'] })
    expect(faultsOfKey({ ...crm, name: 'x'.repeat(101) }, NOW)).toEqual({ name: ['It has at most 100 characters.'] })
    expect(faultsOfKey(crm, NOW)).toEqual({})
    const on = (day: string) => faultsOfKey({ ...crm, life: 'day', day }, NOW).expires_at
    const { min, max } = lastDays(NOW)
    expect([on(''), on(min), on(max)]).toEqual([['It is needed.'], undefined, undefined])
    expect([on('2026-01-01'), on('2028-12-31')]).toEqual([['It is a day from today on, within two years.'], ['It is a day from today on, within two years.']])
    // The last day that can be chosen ends within the server's two years.
    expect(Date.parse(wantedOf({ ...crm, life: 'day', day: max }, NOW).endsAt)).toBeLessThanOrEqual(NOW + 730 * DAY)
  })
  test('asks for its end, and leaves a year to the server', () => {
    expect(wantedOf(crm, NOW)).toEqual({ name: 'crm', client: '', scopes: ['webhooks'], endsAt: '' })
    expect(wantedOf({ ...crm, life: '30', day: '2026-09-01' }, NOW).endsAt).toBe('2026-08-01T12:00:00.000Z')
    expect(wantedOf({ ...crm, life: 'day', day: '2026-08-01' }, NOW).endsAt).toBe(new Date('2026-08-01T23:59:59').toISOString())
  })
  test('says at its fields what the server refuses', () => {
    const fault = { kind: '', id: '', rule: 'as the server says it', code: 'other', values: {} } as const
    expect(serverFaultsOfKey([{ ...fault, field: 'client' }, { ...fault, field: 'nowhere' }, { ...fault, field: '', code: 'too_many', values: { most: '200' } }])).toEqual({ client: ['as the server says it'], '': ['as the server says it', 'There are too many: at most 200.'] })
  })
  test('is empty until something is typed', () => {
    expect([isEmptyKey(EMPTY_KEY), isEmptyKey({ ...EMPTY_KEY, life: '30' }), isEmptyKey(crm)]).toEqual([true, false, false])
  })
})
