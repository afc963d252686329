// A tenant's configuration in memory, with the rules that the pages show most: what Agent Setup asks for, who has signed in, and API keys.

import { randomUUID } from 'node:crypto'
import { ApiKeysOfMock } from './api-keys.mjs'
import { peopleFromCsv, peopleToCsv } from './people-csv.mjs'
import { faultsOf, references } from './setup-rules.mjs'
import { exampleTenant, ID_FIELDS, idOf } from './setup-tenant.mjs'
import { exampleSignIns, signInsOf } from './sign-ins.mjs'

const COOKIE = 'mock-session'
const PAGE_MOST = 500
/** Never in an answer. */
const SECRETS = ['password', 'pin', 'secret', 'inbound_password', 'private_key', 'client_secret', 'second_factor']

/** The account that the sign-in of the mock gives. */
export const ADMINISTRATOR = { tenant: 'example', user: 'grace.hopper', name: 'Grace Hopper', privileges: ['administrator', 'supervisor', 'view_dashboard'], scopes: ['openid', 'config:read', 'config:write', 'statistics:read', 'trace:read', 'webhooks', 'calls:read'] }

/** Who changes the configuration, and who only reads it. */
const CHANGERS = ['administrator', 'folder_administrator']
const READERS = ['designer', 'integrator']

export class Setup {
  constructor({ people = 60 } = {}) {
    this.revision = 1
    this.objects = new Map()
    this.entries = []
    this.once = new Map()
    this.signIns = exampleSignIns(Date.now())
    this.apiKeys = new ApiKeysOfMock(Date.now())
    this.sessions = new Map()
    this.account = ADMINISTRATOR
    /** While true nothing is answered: the connection is cut. */
    this.isAway = false
    for (const { kind, object } of exampleTenant(people)) this.#put(kind, object, 'import', 'trunkline')
  }

  // === who has signed in ===

  accountOf(request) {
    const cookie = /mock-session=([^;]+)/.exec(request.headers.cookie ?? '')?.[1]
    return this.sessions.get(cookie)
  }

  /** Ends every session, as time does. */
  endSessions() {
    this.sessions.clear()
  }

  // === answers ===

  /** Answers what belongs to sessions and to Agent Setup; false for anything else. */
  async answer(request, response, url) {
    if (this.isAway && (url.pathname.startsWith('/session') || url.pathname.startsWith('/agent-setup/api/'))) {
      response.destroy()
      return true
    }
    if (url.pathname === '/session') return json(response, 200, this.#session(request))
    if (url.pathname === '/session/sign-in') {
      const name = randomUUID()
      this.sessions.set(name, this.account)
      const to = url.searchParams.get('to') ?? '/'
      response.writeHead(303, { location: /^\/(?!\/)/.test(to) ? to : '/', 'set-cookie': `${COOKIE}=${name}; Path=/; HttpOnly; SameSite=Lax` }).end()
      return true
    }
    if (url.pathname === '/session/sign-out') {
      const cookie = /mock-session=([^;]+)/.exec(request.headers.cookie ?? '')?.[1]
      this.sessions.delete(cookie)
      response.writeHead(204).end()
      return true
    }
    if (!url.pathname.startsWith('/agent-setup/api/')) return false
    const account = this.accountOf(request)
    if (account === undefined) return problem(response, 401, { title: 'sign in first' })
    const [, , , , tenant, what, kind, id] = url.pathname.split('/').map(decodeURIComponent)
    const mayAsk = request.method === 'GET' ? [...CHANGERS, ...READERS] : CHANGERS
    if (tenant !== account.tenant || !account.privileges.some((one) => mayAsk.includes(one))) return problem(response, 403, { title: 'not allowed' })
    const body = request.method === 'POST' ? await textOf(request) : ''
    const { status = 200, type, answer, isLost = false } = this.#asked({ what, kind, id, query: url.searchParams, body, account, method: request.method })
    if (isLost) return response.destroy(), true
    if (status === 204) return response.writeHead(204).end(), true
    if (type !== undefined) return response.writeHead(200, { 'content-type': type }).end(answer), true
    return status >= 400 ? problem(response, status, answer) : json(response, status, answer)
  }

  #session(request) {
    const account = this.accountOf(request)
    return account === undefined ? { signed_in: false } : { signed_in: true, ...account, until: new Date(Date.now() + 3_600_000).toISOString() }
  }

  #asked({ what, kind, id, query, body, account, method }) {
    const isPost = method === 'POST'
    const notFound = { status: 404, answer: { title: 'there is no such object' } }
    if (what === 'objects' && id === undefined) return { answer: this.list(kind, query) }
    if (what === 'objects') return this.get(kind, id) === undefined ? notFound : { answer: shown(this.get(kind, id)) }
    if (what === 'uses') return { answer: { items: this.uses(kind, id) } }
    if (what === 'history') return { answer: this.#history(query) }
    if (what === 'api-keys') return this.apiKeys.answer({ method, id: kind, body, account, clients: this.all('client'), now: Date.now() })
    if (what === 'sign-ins') return { answer: signInsOf(this.signIns, query) }
    if (what === 'changes') return this.change(JSON.parse(body), 'page', account.user)
    if (what === 'restore') return this.#restore(JSON.parse(body), account.user)
    if (what === 'people.csv' && isPost) return this.#importPeople(body, query, account.user)
    if (what === 'people.csv') return { type: 'text/csv; charset=utf-8', answer: peopleToCsv(this.all('person')) }
    return notFound
  }

  all(kind) {
    return [...this.objects.values()].filter((stored) => stored.kind === kind).map(({ object }) => object)
  }

  get(kind, id) {
    return this.objects.get(`${kind} ${id}`)
  }

  list(kind, query) {
    const word = (query.get('q') ?? '').toLowerCase()
    const names = (object) => [object[ID_FIELDS[kind]], object.name, object.first_name, object.last_name, object.email].filter((name) => typeof name === 'string')
    const found = [...this.objects.values()]
      .filter((stored) => stored.kind === kind)
      .filter(({ object }) => word === '' || names(object).some((name) => name.toLowerCase().includes(word)))
      .filter(({ id }) => id.toLowerCase().startsWith((query.get('id_prefix') ?? '').toLowerCase()))
      .filter(({ object }) => !query.get('type') || query.get('type').split(',').includes(object.type))
      .filter(({ object }) => !query.get('skill') || (object.agent?.skills ?? []).some(({ skill }) => skill === query.get('skill')))
      .filter(({ object }) => !query.get('disabled') || String(object.disabled === true) === query.get('disabled'))
      .sort((one, other) => (one.id < other.id ? -1 : 1))
    const size = Math.min(Number(query.get('page_size')) || PAGE_MOST, PAGE_MOST)
    const after = query.get('page_token') ?? ''
    const rest = found.filter(({ id }) => after === '' || id > after)
    const items = rest.slice(0, size)
    const fields = (query.get('fields') ?? '').split(',').filter(Boolean)
    return { items: items.map((stored) => part(shown(stored), fields)), next_page_token: rest.length > size ? items[size - 1].id : '' }
  }

  uses(kind, id) {
    const referring = [...this.objects.values()].flatMap((stored) =>
      references(stored.kind, stored.object)
        .filter((reference) => reference.kind === kind && reference.id === id)
        .map(({ field }) => ({ kind: stored.kind, id: stored.id, field, is_named: false })),
    )
    const naming = kind === 'prompt' ? this.all('application').filter(({ document }) => document.includes(`'${id}'`)) : []
    return [...referring, ...naming.map(({ name }) => ({ kind: 'application', id: name, field: 'dialog:play prompts', is_named: true }))]
  }

  #history(query) {
    const found = this.entries.filter(({ kind, id }) => (!query.get('kind') || kind === query.get('kind')) && (!query.get('id') || id === query.get('id')))
    const from = Number(query.get('page_token') ?? '0')
    const size = Math.min(Number(query.get('page_size')) || PAGE_MOST, PAGE_MOST)
    return { items: [...found].reverse().slice(from, from + size), next_page_token: found.length > from + size ? String(from + size) : '' }
  }

  // === changes ===

  change({ request_id: name, dry_run: isDry, edits }, way, by) {
    if (!isDry && this.once.has(name)) return this.once.get(name)
    for (const edit of edits) {
      const present = this.get(edit.kind, edit.id)
      if (edit.expected_revision !== undefined && edit.expected_revision !== (present?.revision ?? 0)) {
        return { status: 409, answer: { title: 'conflict', detail: 'it is at another revision', kind: edit.kind, id: edit.id, revision: present?.revision ?? 0 } }
      }
      if (edit.action !== 'put' && present === undefined) return { status: 404, answer: { title: 'there is no such object' } }
    }
    const before = new Map(this.objects)
    const revision = this.revision
    const count = this.entries.length
    const isOther = ({ before, after }, index) => JSON.stringify(before) !== JSON.stringify(after) || edits[index].fields?.some((field) => SECRETS.includes(field.split('.').at(-1)))
    const changes = edits.map((edit) => this.#edit(edit, way, by)).filter(isOther)
    const faults = faultsOf(this, edits)
    if (isDry || faults.length > 0) {
      this.objects = before
      this.revision = revision
      this.entries.length = count
    }
    if (faults.length > 0) return { status: 422, answer: { title: 'the objects would break rules', faults } }
    const done = { answer: { revision: this.revision, changes } }
    if (!isDry) this.once.set(name, done)
    return done
  }

  #edit({ kind, id, action, object, fields }, way, by) {
    const held = this.get(kind, id)
    if (action === 'delete') {
      this.objects.delete(`${kind} ${id}`)
      return this.#note(kind, id, held?.object ?? null, null, way, by)
    }
    const next = action === 'put' ? withSecrets(object, held?.object) : merged(held.object, object, fields)
    return this.#put(kind, next, way, by)
  }

  #put(kind, object, way, by) {
    const id = idOf(kind, object)
    const before = this.get(kind, id)?.object ?? null
    const change = this.#note(kind, id, before, object, way, by)
    this.objects.set(`${kind} ${id}`, { kind, id, revision: this.revision, object })
    return change
  }

  #note(kind, id, before, after, way, by) {
    this.revision += 1
    const change = { kind, id, before: before === null ? null : plain(before), after: after === null ? null : plain(after) }
    const secretsChanged = before !== null && after !== null && JSON.stringify(change.before) === JSON.stringify(change.after) && JSON.stringify(before) !== JSON.stringify(after)
    const revised = { ...change, revision: after === null ? 0 : this.revision }
    this.entries.push({ number: this.entries.length + 1, revision: this.revision, at: new Date().toISOString(), by, way, client: '', session: '', source: '192.0.2.1', ...change, secrets_changed: secretsChanged })
    return revised
  }

  /** Another administrator changes something. */
  changeBy(by, kind, id, fields) {
    this.#put(kind, { ...this.get(kind, id).object, ...fields }, 'page', by)
  }

  #restore({ kind, id, revision, expected_revision: expected }, by) {
    const entry = this.entries.find((one) => one.kind === kind && one.id === id && one.revision === revision)
    if (entry === undefined || entry.after === null) return { status: 404, answer: { title: 'it did not exist then' } }
    return this.change({ request_id: randomUUID(), dry_run: false, edits: [{ kind, id, action: 'put', expected_revision: expected, object: entry.after }] }, 'page', by)
  }

  #importPeople(text, query, by) {
    const [isDry, name] = [query.get('dry_run') === 'true', query.get('request_id') ?? randomUUID()]
    const { rows, edits, faults, lines } = peopleFromCsv(text, (user) => this.get('person', user)?.object)
    if (faults.length > 0) return { answer: { rows, changed: 0, faults, changes: [], checked: '' } }
    const present = edits.filter(({ id }) => this.get('person', id) !== undefined)
    const [at] = (query.get('checked') ?? '').split('-').map(Number)
    const changed = this.once.has(name) || !at ? [] : present.filter(({ id }) => this.get('person', id).revision > at)
    if (changed.length > 0) {
      const stale = changed.map(({ id }) => ({ line: lines.get(id), column: '', rule: 'the person was changed since the table was checked', code: 'stale', values: { expected: String(at), present: String(this.get('person', id).revision) } }))
      return { answer: { rows, changed: 0, faults: stale, changes: [], checked: '' } }
    }
    const checked = `${this.revision}-${present.length}`
    const { status, answer } = this.change({ request_id: name, dry_run: isDry, edits }, 'import', by)
    if (status === 422) return { answer: { rows, changed: 0, faults: answer.faults.map(({ id, field, rule, code, values }) => ({ line: lines.get(id) ?? 0, column: field.replace('agent.', ''), rule, code, values })), changes: [], checked: '' } }
    const changes = answer.changes.filter(({ before, after }) => JSON.stringify(before) !== JSON.stringify(after))
    return { answer: { rows, changed: changes.length, faults: [], changes: changes.slice(0, 1_000), checked } }
  }
}

const shown = ({ id, revision, object }) => ({ id, revision, object: plain(object) })

/** Of a document those fields alone. */
function part({ object, ...stored }, fields) {
  return { ...stored, object: fields.length === 0 ? object : merged({}, object, fields.filter((field) => field.split('.').reduce((of, name) => of?.[name], object) !== undefined)) }
}

/** The document without its secrets. */
function plain(object) {
  return JSON.parse(JSON.stringify(object, (name, value) => (SECRETS.includes(name) && typeof value !== 'object' ? undefined : value)))
}

/** What a put leaves out of secrets is kept. */
function withSecrets(object, held) {
  const kept = { ...object }
  for (const name of SECRETS) if (kept[name] === undefined && held?.[name] !== undefined) kept[name] = held[name]
  if (held?.agent?.pin !== undefined && kept.agent && kept.agent.pin === undefined) kept.agent = { ...kept.agent, pin: held.agent.pin }
  return kept
}

function merged(held, object, fields) {
  const next = structuredClone(held)
  for (const field of fields) {
    const names = field.split('.')
    const last = names.pop()
    const of = names.reduce((inner, name) => (inner[name] ??= {}), next)
    of[last] = field.split('.').reduce((inner, name) => inner?.[name], object) ?? null
    // A list has no empty values; other fields that are removed are null.
    if (names[0] === 'sections' && of[last] === null) delete of[last]
  }
  return next
}

async function textOf(request) {
  const parts = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts).toString('utf8')
}

function json(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(body))
  return true
}

function problem(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify({ type: 'mock', status, ...body }))
  return true
}
