import { afterEach, describe, expect, test, vi } from 'vitest'
import { apiKeyMade, apiKeys, createApiKey, revokeApiKey } from './api-keys'
import { writeAs } from './subject'

const shown = { id: '3bF0aZ9xQ1c', name: 'crm', client: null, scopes: ['webhooks'], made_by: 'person/ann', made_at: '2026-07-02T08:15:00.000000Z', expires_at: '2027-07-02T08:15:00Z', used_at: null, used_from: null, revoked_at: null }

describe('API keys of the server', () => {
  test('have times, or have none', () => {
    expect(apiKeys({ items: [shown] })).toMatchObject([{ id: '3bF0aZ9xQ1c', client: '', madeAt: Date.parse('2026-07-02T08:15:00Z'), usedAt: undefined, usedFrom: '', revokedAt: undefined }])
    expect(apiKeys({ items: [{ ...shown, used_at: '2026-07-03T08:15:00Z', used_from: '192.0.2.7' }] })).toMatchObject([{ usedAt: Date.parse('2026-07-03T08:15:00Z'), usedFrom: '192.0.2.7' }])
    expect(apiKeys({ items: [{ ...shown, revoked_at: 'lately' }] })).toBeUndefined()
    expect(apiKeys({ items: [{ ...shown, scopes: 'webhooks' }] })).toBeUndefined()
  })
  test('come with their secret once', () => {
    expect(apiKeyMade({ api_key: shown, key: 'tlk_x_y' })?.key).toBe('tlk_x_y')
    expect(apiKeyMade({ api_key: shown, key: null })?.key).toBeUndefined()
    expect(apiKeyMade({ key: 'tlk_x_y' })).toBeUndefined()
  })
})

describe('requests', () => {
  afterEach(() => {
    vi.unstubAllGlobals()
    writeAs(undefined, true)
  })
  const asked = (answer: Response) => {
    const fetched = vi.fn<(path: string, init: RequestInit) => Promise<Response>>(async () => answer)
    vi.stubGlobal('fetch', fetched)
    return fetched
  }
  test('a key is asked for under a name, and what is left out is null', async () => {
    const fetched = asked(Response.json({ api_key: shown, key: 'tlk_x_y' }, { status: 201 }))
    expect(await createApiKey('acme', 'r1', { name: 'crm', client: '', scopes: ['webhooks'], endsAt: '' })).toMatchObject({ kind: 'ok', value: { key: 'tlk_x_y' } })
    const [path, init] = fetched.mock.calls[0] ?? ['', {}]
    expect([path, init.method, JSON.parse(String(init.body))]).toEqual(['/agent-setup/api/v1/acme/api-keys', 'POST', { name: 'crm', client: null, scopes: ['webhooks'], expires_at: null, request_id: 'r1' }])
  })
  test('one is revoked by its id, by whoever the page is of', async () => {
    writeAs('ann', true)
    const fetched = asked(new Response(null, { status: 204 }))
    expect(await revokeApiKey('acme', 'a/b')).toEqual({ kind: 'ok', value: true })
    const [path, init] = fetched.mock.calls[0] ?? ['', {}]
    expect([path, init.method, init.body]).toEqual(['/agent-setup/api/v1/acme/api-keys/a%2Fb', 'DELETE', undefined])
    expect(init.headers).toMatchObject({ 'X-Trunkline-Subject': 'ann' })
    writeAs('ann', false)
    expect(await revokeApiKey('acme', 'x')).toMatchObject({ kind: 'failed', failure: { kind: 'refused-token' } })
    expect(fetched).toHaveBeenCalledTimes(1)
  })
})
