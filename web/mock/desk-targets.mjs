// Whom a call can go to at the mock's desktop, with who is ready; favourites, recents and contacts of each person; numbers that are counted.

import { ContactsOfMock } from './desk-contacts.mjs'

const REPORTING = '/workspace/v3/reporting'
const STEP_MS = 2_000
/** What agents of the mock do, one after the other. */
const DOES = [
  { activity: 'Idle', userState: { state: 'Ready', workMode: 'AutoIn' } },
  { activity: 'HandlingInboundCall', userState: { state: 'Ready', workMode: 'AutoIn' } },
  { activity: 'Idle', userState: { state: 'NotReady', workMode: 'AuxWork', reason: '1' } },
  { activity: 'Idle', userState: { state: 'NotReady', workMode: 'AfterCallWork' } },
  undefined,
]
const keyOf = ({ type, id }) => `${type} ${id}`

export class DeskTargets {
  constructor(setup) {
    this.setup = setup
    /** By user name: favourites and recents as they were saved, newest first. */
    this.kept = new Map()
    this.contacts = new ContactsOfMock()
    this.subscriptions = new Map()
    /** While true neither is there. */
    this.isAway = false
    this.waiting = 3
    this.ticking = setInterval(() => this.tell(), STEP_MS)
  }

  #next = 0

  close() {
    clearInterval(this.ticking)
  }

  // === targets ===

  #all() {
    const people = this.setup.all('person').filter(({ agent }) => agent !== null)
    const agents = people.map((person, index) => {
      const does = DOES[index % DOES.length]
      const phoneNumber = person.agent.default_place.slice(1)
      const channels = does === undefined ? [] : [{ name: 'voice', available: does.userState.state === 'Ready', phoneNumber, switchName: 'Berlin', timeInCurrentState: 30 + index, ...does }]
      return { DBID: 1_000 + index, type: 'agent', name: `${person.first_name} ${person.last_name}`, firstName: person.first_name, lastName: person.last_name, userName: person.user_name, employeeId: person.agent.id, number: phoneNumber, availability: { channels } }
    })
    const groups = this.setup.all('agent_group').map(({ name, agents: members }, index) => ({ DBID: 2_000 + index, type: 'agent-group', name, availability: { readyAgents: members.length } }))
    const dns = this.setup.all('dn')
    const names = new Map(this.setup.all('number').map(({ dn, name }) => [dn, name]))
    const points = dns.filter(({ type }) => type === 'route_point').map(({ number }, index) => ({ DBID: 3_000 + index, type: 'route-point', name: names.get(number) ?? number, number, switchName: 'Berlin', availability: { waitingCalls: index } }))
    const queues = dns.filter(({ type }) => type === 'virtual_queue').map(({ number }, index) => ({ DBID: 4_000 + index, type: 'acd-queue', name: number, number, switchName: 'Berlin', availability: { waitingCalls: this.waiting + index } }))
    return [...agents, ...groups, ...points, ...queues]
  }

  #search(session, query) {
    const words = (query.get('searchTerm') ?? '*').toLowerCase().split(/\s+/).filter(Boolean)
    const types = (query.get('types') ?? '').split(',').filter(Boolean)
    const found = [...this.contacts.targetsOf(session), ...this.#all()].filter((target) => {
      const text = [target.name, target.userName, target.number, target.company].filter(Boolean).join(' ').toLowerCase()
      return (types.length === 0 || types.includes(target.type)) && words.every((word) => word === '*' || text.includes(word))
    })
    return { data: { targets: found.slice(0, Number(query.get('limit') ?? 50)), totalMatches: found.length } }
  }

  #keptOf({ user }) {
    const kept = this.kept.get(user.userName) ?? { favourites: [], recents: [] }
    this.kept.set(user.userName, kept)
    return kept
  }

  /** As it was saved: lists do not say who is there. */
  #shown(target) {
    const name = [target.firstName, target.lastName].filter(Boolean).join(' ') || target.name || target.id
    return { ...target, DBID: Number(target.id) || 1, name, ...(target.numbers?.[0] === undefined ? {} : { number: target.numbers[0] }) }
  }

  #one(wanted, id) {
    const found = this.#all().find(({ type, DBID }) => type === wanted && String(DBID) === id)
    return found === undefined ? { status: 404, message: `there is no ${wanted} ${id}` } : { data: { targets: [found], totalMatches: 1 } }
  }

  /** What an agent's phone notes of a call. */
  note(session, number, isMissed) {
    const kept = this.#keptOf(session)
    const known = this.#all().find((target) => target.number === number)
    const target = known === undefined ? { type: 'custom-contact', id: number, name: number, numbers: [number] } : { type: known.type, id: String(known.DBID), name: known.name, number: known.number }
    kept.recents = [{ target, recentInformation: { media: 'voice', timeStamp: Date.now(), isMissed } }, ...kept.recents.filter((one) => keyOf(one.target) !== keyOf(target))].slice(0, 50)
  }

  // === answers ===

  /** Answers what is below /targets, /contacts and /reporting; undefined for what is not there. */
  asked(session, [what, first, second, third, fourth], data, query, method) {
    if (!['targets', 'contacts', 'reporting'].includes(what)) return undefined
    if (this.isAway) return { status: 503, message: `${what} cannot be reached: ask again` }
    if (what === 'reporting') return this.#reporting(session, second, data, method)
    if (what === 'contacts') return this.contacts.asked(session, first, data, query, method)
    if (first === undefined) return this.#search(session, query)
    const kept = this.#keptOf(session)
    if (first === 'personal-favorites') return this.#favourites(kept, [second, third, fourth], data)
    if (first !== 'recents') return this.#one(first, second)
    if (second === 'ack-missed-calls') {
      for (const one of kept.recents) one.recentInformation.isMissed = false
      return {}
    }
    return { data: { targets: kept.recents.map((one) => ({ ...this.#shown(one.target), recentInformation: one.recentInformation })), totalMatches: kept.recents.length } }
  }

  #favourites(kept, [operation, type, id], data) {
    if (operation === undefined) return { data: { targets: kept.favourites.map((target) => this.#shown(target)), totalMatches: kept.favourites.length } }
    if (operation === 'save') {
      if (!data.target?.type || !data.target?.id) return { status: 400, message: 'target: type and id are needed' }
      kept.favourites = [data.target, ...kept.favourites.filter((one) => keyOf(one) !== keyOf(data.target))]
      return {}
    }
    const before = kept.favourites.length
    kept.favourites = kept.favourites.filter((one) => keyOf(one) !== keyOf({ type, id }))
    return kept.favourites.length === before ? { status: 404, message: 'there is no such favourite' } : {}
  }

  // === numbers ===

  #reporting(session, id, data, method) {
    if (method === 'POST') {
      this.#next += 1
      const made = { id: `r${this.#next}`, session, statistics: data.statistics }
      this.subscriptions.set(made.id, made)
      return { data: { subscriptionId: made.id, statistics: this.#values(made) } }
    }
    const known = this.subscriptions.get(id)
    if (known === undefined || known.session !== session) return { status: 404, message: `there is no subscription ${id}` }
    if (method === 'DELETE') this.subscriptions.delete(id)
    return { data: { subscriptionId: id, statistics: this.#values(known) } }
  }

  #values({ statistics }) {
    const values = { CallsHandled: 7, AverageHandleTime: 184, TalkTime: 1_288, CurrentCallsWaiting: this.waiting, LongestWait: 41, ServiceLevel: 0.874 }
    return statistics.map(({ objectId, objectType, name, statisticId }) => ({ statisticId, objectId, objectType, name, timestamp: Date.now(), value: values[name] ?? null }))
  }

  /** Says the numbers that are open. */
  tell() {
    for (const one of this.subscriptions.values()) one.session.hub.publish(REPORTING, { messageType: 'StatisticsChanged', subscriptions: [{ subscriptionId: one.id, statistics: this.#values(one) }] })
  }
}
