// A small contact centre that happens in memory: calls come, wait, are answered or given up. Seeded, so that a run can
// be repeated. It speaks the records of the wallboard's API.

const NAMES = ['Ada', 'Bruno', 'Chiara', 'Dmitri', 'Elif', 'Farid', 'Greta', 'Hugo', 'Ines', 'Jonas', 'Kaja', 'Liam', 'Mira', 'Noor', 'Otto', 'Priya', 'Quinn', 'Rosa', 'Sven', 'Tara']
const SURNAMES = ['Adeyemi', 'Berg', 'Costa', 'Dubois', 'Eriksen', 'Fontana', 'Garcia', 'Haas', 'Ivanova', 'Jensen', 'Kowalski', 'Lindqvist', 'Moreau', 'Novak', 'Okafor', 'Petrov', 'Quist', 'Rossi', 'Silva', 'Tanaka']
const QUEUES = ['Sales', 'Support', 'Billing', 'Returns', 'Travel', 'Claims', 'Repairs', 'Partners']
const REASONS = ['Break', 'Training', 'Meeting', null]
const THRESHOLD_S = 20
const MINUTE = 60_000

/** A generator of numbers from 0 to 1 (mulberry32). */
export function seeded(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

const emptyDay = () => ({ entered: 0, answered: 0, abandoned: 0, shortAbandoned: 0, inTime: 0, waitedMs: 0 })

export class CallCentre {
  constructor({ agents = 40, queues = 4, callsPerSecond = 1, talkMs = 30_000, seed = 7, startAt = Date.now(), inTime = 0.9, name = 'Example Company' } = {}) {
    /** Which share of the past calls was answered within the threshold. */
    this.inTime = inTime
    this.name = name
    this.chance = seeded(seed)
    this.rate = callsPerSecond
    this.talkMs = talkMs
    this.position = 0
    this.eventAt = null
    this.queues = Array.from({ length: queues }, (_, index) => ({
      id: `q${index + 1}`,
      name: QUEUES[index] ?? `Queue ${index + 1}`,
      waiting: [],
      day: emptyDay(),
      history: Array.from({ length: 30 }, (_, minute) => this.pastMinute(startAt - (startAt % MINUTE) - (29 - minute) * MINUTE)),
    }))
    for (const queue of this.queues) for (const minute of queue.history) this.countPast(queue.day, minute)
    this.agents = Array.from({ length: agents }, (_, index) => ({
      id: `${5001 + index}`,
      name: `${NAMES[index % NAMES.length]} ${SURNAMES[(index * 7 + Math.floor(index / NAMES.length)) % SURNAMES.length]}`,
      extension: `${7001 + index}`,
      ...this.beginning(startAt),
      until: startAt + this.chance() * 20_000,
    }))
  }

  pastMinute(from) {
    const entered = Math.floor(this.chance() * 9)
    const abandoned = this.inTime < 1 && entered > 5 && this.chance() > 0.6 ? 1 : 0
    return { from, entered, answered: entered - abandoned, abandoned, waitingMax: Math.floor(this.chance() * this.chance() * 7) }
  }

  countPast(day, minute) {
    day.entered += minute.entered
    day.answered += minute.answered
    day.abandoned += minute.abandoned
    day.inTime += Math.round(minute.answered * this.inTime)
    day.waitedMs += minute.answered * 11_000
  }

  beginning(at) {
    const dice = this.chance()
    const since = Math.floor(at - this.chance() * 600_000)
    if (dice < 0.06) return { state: 'loggedOut', reason: null, since: new Date(at).setHours(0, 0, 0, 0) }
    if (dice < 0.12) return { state: 'loggedOut', reason: null, since }
    if (dice < 0.22) return { state: 'notReady', reason: REASONS[Math.floor(this.chance() * REASONS.length)] ?? null, since }
    return { state: 'ready', reason: null, since }
  }

  /** Lets time go on; the answer is what changed. */
  step(now, elapsedMs) {
    const changed = { queues: new Set(), agents: new Set() }
    let arrivals = (this.rate * elapsedMs) / 1_000
    for (; this.chance() < arrivals; arrivals -= 1) this.arrive(now, changed)
    for (const agent of this.agents) if (now >= agent.until) this.goOn(agent, now, changed)
    for (const queue of this.queues) this.distribute(queue, now, changed)
    if (changed.queues.size + changed.agents.size > 0) {
      this.position += changed.queues.size + changed.agents.size
    }
    this.eventAt = changed.queues.size + changed.agents.size > 0 ? now : null
    return changed
  }

  arrive(now, changed) {
    const queue = this.queues[Math.floor(this.chance() ** 1.5 * this.queues.length)]
    if (queue === undefined) return
    queue.waiting.push({ since: now, patience: now + 15_000 + this.chance() * 90_000 })
    queue.day.entered += 1
    this.minute(queue, now).entered += 1
    changed.queues.add(queue.id)
  }

  distribute(queue, now, changed) {
    for (const call of [...queue.waiting]) {
      const free = this.agents.find((agent) => agent.state === 'ready')
      if (now >= call.patience) this.giveUp(queue, call, now, changed)
      else if (free !== undefined) {
        queue.waiting = queue.waiting.filter((other) => other !== call)
        this.answer(queue, now - call.since, now)
        this.become(free, 'inbound', now, this.talkMs * (0.5 + this.chance()), changed)
        changed.queues.add(queue.id)
      }
    }
    const minute = this.minute(queue, now)
    minute.waitingMax = Math.max(minute.waitingMax, queue.waiting.length)
  }

  answer(queue, waited, now) {
    queue.day.answered += 1
    queue.day.waitedMs += waited
    if (waited <= THRESHOLD_S * 1_000) queue.day.inTime += 1
    this.minute(queue, now).answered += 1
  }

  giveUp(queue, call, now, changed) {
    queue.waiting = queue.waiting.filter((other) => other !== call)
    queue.day.abandoned += 1
    this.minute(queue, now).abandoned += 1
    changed.queues.add(queue.id)
  }

  goOn(agent, now, changed) {
    switch (agent.state) {
      case 'inbound':
        if (this.chance() < 0.15) return this.become(agent, 'onHold', now, 6_000, changed)
        return this.become(agent, 'afterCallWork', now, 4_000 + this.chance() * 8_000, changed)
      case 'onHold':
        return this.become(agent, 'inbound', now, this.talkMs * 0.4, changed)
      case 'afterCallWork':
        if (this.chance() < 0.08) return this.become(agent, 'notReady', now, 60_000, changed, REASONS[Math.floor(this.chance() * 4)] ?? null)
        return this.become(agent, 'ready', now, Infinity, changed)
      case 'notReady':
        return this.chance() < 0.1 ? this.become(agent, 'ready', now, Infinity, changed) : (agent.until = now + 20_000)
      default:
        agent.until = now + 30_000
    }
  }

  become(agent, state, now, lastsMs, changed, reason = null) {
    Object.assign(agent, { state, since: now, until: now + lastsMs, reason })
    changed.agents.add(agent.id)
  }

  minute(queue, now) {
    const from = now - (now % MINUTE)
    let last = queue.history.at(-1)
    while (last === undefined || last.from < from) {
      last = { from: (last?.from ?? from - MINUTE) + MINUTE, entered: 0, answered: 0, abandoned: 0, waitingMax: queue.waiting.length }
      queue.history.push(last)
      if (queue.history.length > 30) queue.history.shift()
    }
    return last
  }

  numbers(day, waiting) {
    const counted = day.answered + day.abandoned - day.shortAbandoned
    return {
      waiting: waiting.length,
      longestWaitSince: waiting.length === 0 ? null : Math.min(...waiting.map((call) => call.since)),
      entered: day.entered,
      answered: day.answered,
      abandoned: day.abandoned,
      shortAbandoned: day.shortAbandoned,
      serviceLevel: counted === 0 ? null : (day.inTime * 100) / counted,
      serviceLevelThreshold: THRESHOLD_S,
      averageSpeedOfAnswerMs: day.answered === 0 ? null : Math.round(day.waitedMs / day.answered),
    }
  }

  head(now) {
    const day = emptyDay()
    for (const queue of this.queues) for (const key of Object.keys(day)) day[key] += queue.day[key]
    const states = { ready: 0, notReady: 0, afterCallWork: 0, ringing: 0, dialing: 0, onHold: 0, inbound: 0, outbound: 0, internal: 0, consult: 0, unknown: 0, loggedOut: 0 }
    for (const agent of this.agents) states[agent.state] += 1
    return { position: `mock-1:${this.position}`, at: now, countsSince: new Date(now).setHours(0, 0, 0, 0), eventAt: this.eventAt, totals: this.numbers(day, this.queues.flatMap((queue) => queue.waiting)), states }
  }

  snapshot(now) {
    return {
      tenant: 'example',
      name: this.name,
      ...this.head(now),
      queues: this.queues.map((queue) => this.queueRow(queue)),
      agents: this.agents.map((agent) => this.agentRow(agent)),
    }
  }

  change(now, changed) {
    return {
      ...this.head(now),
      queues: this.queues.filter((queue) => changed.queues.has(queue.id)).map((queue) => this.queueRow(queue)),
      agents: this.agents.filter((agent) => changed.agents.has(agent.id)).map((agent) => this.agentRow(agent)),
    }
  }

  queueRow(queue) {
    return { id: queue.id, name: queue.name, ...this.numbers(queue.day, queue.waiting), history: queue.history }
  }

  agentRow({ id, name, extension, state, reason, since }) {
    return { id, name, extension, state, reason, since }
  }
}
