// API keys of the mock's tenant: which there are, a new one, and the end of one.

import { randomBytes } from 'node:crypto'

const DAY = 86_400_000
const LIFE_DEFAULT = 365 * DAY
const LIFE_MOST = 730 * DAY
const NAME_MOST = 100
const KEYS_MOST = 200
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

const word = (length) => [...randomBytes(length)].map((byte) => DIGITS[byte % DIGITS.length]).join('')
const time = (at) => new Date(at).toISOString()

/** One in each state, the latest first. */
export function exampleApiKeys(now) {
  const key = (days, given) => ({ id: word(11), name: '', client: null, scopes: ['statistics:read'], made_by: 'person/grace.hopper', made_at: time(now - days * DAY), expires_at: time(now + 300 * DAY), used_at: null, used_from: null, revoked_at: null, ...given })
  return [
    key(1, { name: 'crm', client: 'reports', used_at: time(now - 60_000), used_from: '192.0.2.14' }),
    key(80, { name: 'wallboard', scopes: ['calls:read', 'statistics:read'], expires_at: time(now + 10 * DAY), made_by: 'root' }),
    key(90, { name: 'old import', scopes: ['config:read', 'config:write'], revoked_at: time(now - 2 * DAY) }),
    key(100, { name: 'trial', expires_at: time(now - 3 * DAY) }),
  ]
}

export class ApiKeysOfMock {
  constructor(now) {
    this.items = exampleApiKeys(now)
    this.once = new Map()
    /** While true keys are made whose answers are lost on their way. */
    this.losesAnswer = false
  }

  /** Answers a request; `clients` are those of the tenant. */
  answer({ method, id, body, account, clients, now }) {
    if (method === 'GET' && id === undefined) return { answer: { items: this.items } }
    if (method === 'POST' && id === undefined) return this.#make(JSON.parse(body), account, clients, now)
    const key = this.items.find((one) => one.id === id)
    if (method !== 'DELETE' || key === undefined) return { status: 404, answer: { title: 'not found', detail: `there is no API key ${id}` } }
    key.revoked_at ??= time(now)
    return { status: 204 }
  }

  #make({ name, client = null, scopes, expires_at: end = null, request_id: request = '' }, account, clients, now) {
    const made = this.once.get(request)
    // A browser may send a request again by itself whose connection breaks.
    if (made !== undefined && this.losesAnswer) return { isLost: true }
    if (made !== undefined) return { status: 201, answer: { api_key: made, key: null } }
    const faults = faultsOf({ name, client, scopes, end, clients, now })
    if (this.items.length >= KEYS_MOST) faults.push(fault('', `the tenant has ${KEYS_MOST} API keys`, 'too_many', { most: String(KEYS_MOST) }))
    if (faults.length > 0) return { status: 422, answer: { title: 'faulty', detail: faults[0].rule, faults } }
    const beyond = scopes.find((scope) => !account.scopes.includes(scope))
    if (beyond !== undefined) return { status: 403, answer: { title: 'not allowed', detail: `scopes: who makes the key does not have the scope "${beyond}"` } }
    const key = { id: word(11), name: name.trim(), client, scopes: [...new Set(scopes)].sort(), made_by: `person/${account.user}`, made_at: time(now), expires_at: end ?? time(now + LIFE_DEFAULT), used_at: null, used_from: null, revoked_at: null }
    this.items.unshift(key)
    if (request !== '') this.once.set(request, key)
    return this.losesAnswer ? { isLost: true } : { status: 201, answer: { api_key: key, key: `tlk_${key.id}_${word(43)}` } }
  }
}

const fault = (field, rule, code = 'other', values = {}) => ({ kind: '', id: '', field, rule, code, values })

function faultsOf({ name, client, scopes, end, clients, now }) {
  const faults = []
  const found = clients.find(({ id }) => id === client)
  if (name.trim() === '') faults.push(fault('name', 'a key needs one, by which people know it'))
  if ([...name].length > NAME_MOST) faults.push(fault('name', `it has more than ${NAME_MOST} characters, or control characters`))
  if (scopes.length === 0) faults.push(fault('scopes', 'a key needs at least one'))
  if (end !== null && (Date.parse(end) <= now || Date.parse(end) > now + LIFE_MOST)) faults.push(fault('expires_at', 'it is over already, or more than 730 days from now'))
  if (client !== null && found === undefined) faults.push(fault('client', `there is no client "${client}"`))
  const beyond = found === undefined ? undefined : scopes.find((scope) => !found.scopes.includes(scope))
  if (beyond !== undefined) faults.push(fault('scopes', `the client ${client} does not list the scope "${beyond}"`))
  return faults.slice(0, 1)
}
