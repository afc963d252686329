// The Workspace API of the mock: sessions by a cookie, a place, a phone with calls. With `calls` a call comes now and then to who is ready.

import { randomUUID } from 'node:crypto'
import { Hub } from './bayeux.mjs'
import { Phone } from './desk-calls.mjs'
import { DeskTargets } from './desk-targets.mjs'
import { Phones } from './phones.mjs'
import { TeamOfMock } from './team.mjs'

const BASE = '/workspace/v3/'
const COOKIE = 'WORKSPACE_SESSIONID'
const VOICE = '/workspace/v3/voice'
const RESULTS = { name: 'DispositionCode', values: [{ value: 'sold', display_name: 'Sold' }, { value: 'call_back', display_name: 'Call back' }, { value: 'no_interest', display_name: 'No interest' }] }
const CALLERS = [
  { number: '+4930123456', queue: 'sales', data: { CustomerName: 'Ines Iversen', Language: 'de', OrderNumber: '4711' } },
  { number: '+33144556677', queue: 'support', data: { CustomerName: 'Marc Morel', Language: 'fr' } },
  { number: '+442079460123', queue: 'sales', data: { Language: 'en' } },
]

export class Desks {
  constructor(setup, { calls = false, wrapUpMs = 10_000 } = {}) {
    Object.assign(this, { setup, wrapUpMs })
    this.targets = new DeskTargets(setup)
    /** Options of the tenant, by section and key. */
    this.settings = { 'interaction-workspace': { 'voice.park-code': '*68' } }
    this.team = new TeamOfMock(setup)
    this.phones = new Phones({ onCall: (call) => this.#browserCall(call) })
    this.sessions = new Map()
    this.timers = new Set()
    this.seen = []
    /** Where browsers reach it. */
    this.host = ''
    /** While true nothing is answered: the connection is cut. */
    this.isAway = false
    let next = 0
    const coming = setInterval(() => {
      for (const { phone } of this.sessions.values()) {
        if (phone?.dn.agentState === 'Ready' && !phone.calls.some(({ state }) => state !== 'Released')) this.#come(phone, CALLERS[next++ % CALLERS.length])
      }
    }, 6_000)
    this.timers.add(coming)
    if (!calls) clearInterval(coming)
  }

  #come(phone, caller) {
    const call = phone.ring(caller)
    this.#later(() => {
      if (call.state !== 'Ringing') return
      phone.hangUp(call)
      phone.calls = phone.calls.filter((one) => one !== call)
      phone.state('NotReady', 'AuxWork', { ReasonCode: 'NoAnswer' })
    }, 15_000)
  }

  /** A call that rings, is answered or over at a phone in a browser. */
  #browserCall({ kind, id, from, to, by }) {
    const { phone } = [...this.sessions.values()].find((session) => session.phone?.dn.number === to || session.phone?.calls.some((call) => call.sip === id)) ?? {}
    const call = phone?.calls.find((one) => one.sip === id)
    if (kind === 'ringing' && phone !== undefined) phone.ring({ number: from }).sip = id
    if (kind === 'answered' && call?.state === 'Ringing') phone.operateCall(call, 'answer', {})
    if (kind === 'moved' && call !== undefined) call.sip = by
    if (kind === 'over' && call !== undefined) phone.hangUp(call)
  }

  // === what a test does ===

  /** The phone of the one who has a place. */
  get phone() {
    return [...this.sessions.values()].find(({ phone }) => phone !== undefined)?.phone
  }

  goAway() {
    this.isAway = true
    for (const { hub } of this.sessions.values()) hub.cut()
  }

  comeBack() {
    this.isAway = false
  }

  endSessions() {
    for (const { hub } of this.sessions.values()) hub.cut()
    this.sessions.clear()
  }

  /** Somebody else signs in in the same browser, and begins to work. */
  takenBy(user, name) {
    for (const [cookie, account] of this.setup.sessions) this.setup.sessions.set(cookie, { ...account, user, name })
    for (const session of this.sessions.values()) {
      session.user = { ...session.user, userName: user }
      session.hub.cut()
    }
  }

  close() {
    this.targets.close()
    this.phones.close()
    for (const timer of this.timers) clearTimeout(timer)
    this.timers.clear()
  }

  #later(run, ms) {
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      run()
    }, ms)
    this.timers.add(timer)
  }

  // === answers ===

  /** Answers what belongs to the Workspace API; false for anything else. */
  async answer(request, response, url) {
    if (!url.pathname.startsWith(BASE)) return false
    if (this.isAway) return response.destroy(), true
    const path = url.pathname.slice(BASE.length)
    if (path === 'initialize-workspace') return this.#begin(request, response)
    const session = this.sessions.get(cookieOf(request))
    if (session === undefined) return refuse(response, 403, 603, 'Unauthorized')
    if (!isMeantFor(request, session.user.userName)) return refuse(response, 412, 412, 'the page is of another person')
    const text = ['POST', 'PUT'].includes(request.method) ? await textOf(request) : ''
    const body = text === '' ? {} : JSON.parse(text)
    if (path.startsWith('notifications')) return session.hub.answer(Array.isArray(body) ? body : [body], response), true
    if (request.method === 'POST') this.seen.push({ path, ...body })
    const operationId = body.operationId ?? randomUUID()
    const data = body.data ?? {}
    const parts = path.split('/').map(decodeURIComponent)
    const query = url.searchParams
    const { status = 200, code = 0, message, ...rest } = this.targets.asked(session, parts, data, query, request.method) ?? this.#asked(session, parts, data, operationId, query)
    if (status >= 400) return refuse(response, status, status, message)
    if (path === 'logout') this.sessions.delete(session.cookie)
    return json(response, 200, { status: { code }, operationId, ...rest })
  }

  #begin(request, response) {
    const account = this.setup.accountOf(request)
    if (account === undefined) return refuse(response, 401, 401, 'there is no token')
    if (!isMeantFor(request, account.user)) return refuse(response, 412, 412, 'the page is of another person')
    const held = this.sessions.get(cookieOf(request))
    if (held?.user.userName === account.user) return this.#initialise(held, response)
    const cookie = randomUUID()
    const person = this.setup.get('person', account.user)?.object
    const user = { dbid: 101, userName: account.user, employeeId: person?.agent?.id ?? 'a7150', agentLogin: person?.agent?.login_code ?? 'a7150', firstName: account.name.split(' ')[0], lastName: account.name.split(' ').at(-1), defaultPlace: person?.agent?.default_place ?? 'P7101', userProperties: [] }
    const session = { cookie, user, phone: undefined }
    // Whoever listens anew is told the phone and every call, also those that are over and not completed yet.
    session.hub = new Hub((channel) => (channel === VOICE && session.phone !== undefined ? session.phone.told() : []))
    this.sessions.set(cookie, session)
    return this.#initialise(session, response)
  }

  #initialise(session, response) {
    const { cookie, user } = session
    // It is held until the client has subscribed; a client that there is not yet is waited for.
    const complete = () => {
      if (!this.sessions.has(cookie)) return
      if (session.hub.clients.size === 0) return this.#later(complete, 20)
      session.hub.publish('/workspace/v3/initialization', { messageType: 'WorkspaceInitializationComplete', state: 'Complete', data: { user, configuration: this.#configuration() } })
    }
    complete()
    response.setHeader('set-cookie', `${COOKIE}=${cookie}; Path=/; HttpOnly; SameSite=Lax`)
    return json(response, 200, { status: { code: 1 } })
  }

  #configuration() {
    const attribute = ({ name, values, default: chosen }, index) => ({ id: 200 + index, name, displayName: name, description: '', values: values.map((one, at) => ({ id: 1_000 + index * 100 + at, name: one.value, displayName: one.display_name ?? one.value, description: '', default: one.value === chosen })) })
    return {
      actionCodes: this.setup.all('action_code').map(({ code, name, action, subcodes }) => ({ name, code, type: publishedAction(action), subCodes: subcodes ?? [], userProperties: [] })),
      agentGroups: this.team.groups(),
      businessAttributes: [...this.setup.all('business_attribute'), RESULTS].map(attribute),
      transactions: [],
      settings: Object.entries(this.settings).map(([key, section]) => ({ key, type: 'kvlist', value: Object.entries(section).map(([name, value]) => ({ key: name, type: 'str', value })) })),
      environment: { connections: [] },
    }
  }

  #asked(session, [what, first, second, third], data, operationId, query) {
    const { phone } = session
    const ofTeam = this.team.asked([what, first, second, third], query, data)
    if (this.team.failsLater && ofTeam?.code === 1) this.#later(() => session.hub.publish(VOICE, { messageType: 'EventError', error: { errorCode: 93, errorMessage: 'Invalid Call State' }, operationId }), 20)
    if (ofTeam !== undefined) return ofTeam
    if (what === 'browser-phone') return this.#ticket(phone)
    if (what === 'current-session') return { data: { user: { ...session.user, ...(phone === undefined ? {} : { activeSession: active(phone) }) }, configuration: this.#configuration() } }
    if (what === 'configuration' && first === undefined) return { data: this.#configuration() }
    if (what === 'configuration' && first === 'places') return this.#place(second)
    if (what === 'activate-channels') return this.#activate(session, data, operationId)
    if (what === 'logout') return {}
    if (what !== 'voice') return { status: 501, message: 'there is no such operation' }
    if (phone === undefined) return { status: 409, message: 'voice: the channel is not active; activate it first' }
    if (first !== 'calls') return this.#after(() => phone.operate(first, data, operationId))
    const call = phone.calls.find(({ id }) => id === second)
    if (third === 'course') return call === undefined ? { status: 404, message: 'there is no such call at the DN' } : { data: this.team.course(call, phone.dn.agentId) }
    if (call === undefined) return { status: 500, message: `there is no call ${second}` }
    if (!phone.shown(call).capabilities.includes(third)) return { status: 409, message: `the call is ${call.state}` }
    return this.#after(() => phone.operateCall(call, third, data, operationId))
  }

  /** The answer comes before what it leads to. */
  #after(run) {
    this.#later(run, 10)
    return { code: 1 }
  }

  #place(name) {
    const place = this.setup.get('place', name)?.object
    if (place === undefined) return { status: 404, message: `there is no place ${name}` }
    return { data: { devices: place.dns.map((number) => ({ number, switchName: 'Berlin', ...(this.#isBrowserPhone(number) ? { browserPhone: true } : {}) })) } }
  }

  #isBrowserPhone(number) {
    return this.setup.get('dn', number)?.object.encryption === 'dtls'
  }

  #ticket(phone) {
    if (phone === undefined || !this.#isBrowserPhone(phone.dn.number)) return { status: 409, message: 'the DN is no phone in a browser' }
    return { data: this.phones.ticket(this.host, phone.dn.number) }
  }

  #activate(session, { placeName, dn }, operationId) {
    const number = dn ?? this.setup.get('place', placeName)?.object.dns[0]
    if (number === undefined) return { status: 404, message: `there is no place ${placeName}` }
    this.#later(() => {
      const rang = new Map()
      const tell = (message) => {
        session.hub.publish(VOICE, message)
        const { call } = message
        if (call?.state === 'Ringing') rang.set(call.id, true)
        if (call?.state === 'Established') rang.set(call.id, false)
        if (call?.state === 'Released' && call.callType !== 'Consult') this.targets.note(session, call.phoneNumber, rang.get(call.id) === true)
      }
      session.phone = new Phone({ dn: number, agent: session.user.agentLogin, tell, later: (run, ms) => this.#later(run, ms), wrapUpMs: this.wrapUpMs })
      session.phone.state('NotReady', 'ManualIn', {}, operationId)
    }, 20)
    return {}
  }
}

const cookieOf = (request) => new RegExp(`${COOKIE}=([^;]+)`).exec(request.headers.cookie ?? '')?.[1]

/** Pages say whose they are: somebody else may have signed in in this browser. */
const isMeantFor = (request, user) => [undefined, encodeURIComponent(user)].includes(request.headers['x-trunkline-subject'])

/** What a reason is for, by its published name. */
function publishedAction(action = 'not_ready') {
  return action.split('_').map((word) => word[0].toUpperCase() + word.slice(1)).join('')
}

function active(phone) {
  return { dn: phone.dn, calls: phone.calls.map((call) => phone.shown(call)), media: { channels: [] }, services: [{ serviceName: 'VOICE', serviceState: 'AVAILABLE' }] }
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

function refuse(response, status, code, message) {
  return json(response, status, { status: { code, message } })
}
