// A supervisor's people at the mock's desktop: users with their availability, queues, and what is asked for them.

/** What agents of the mock do, one after the other. */
const DOES = [
  { activity: 'Idle', userState: { state: 'Ready', workMode: 'AutoIn' } },
  { activity: 'HandlingInboundCall', userState: { state: 'Ready', workMode: 'AutoIn' } },
  { activity: 'Idle', userState: { state: 'NotReady', workMode: 'AuxWork', reason: '1' } },
  { activity: 'Idle', userState: { state: 'NotReady', workMode: 'AfterCallWork' } },
  undefined,
]
const SET = { ready: DOES[0], 'not-ready': DOES[2], logout: undefined }

/** Among more the server does not look for those in a state. */
const LOOKED_AT_MAX = 500

/** Calls that wait, as they have begun to before the mock was started. */
const WAITING = [
  { ani: '+4915112345678', queues: ['sales'], asksFor: 'French >= 4', seconds: 95 },
  { ani: '+33144556677', queues: ['support'], asksFor: 'Support >= 1', seconds: 41 },
  { ani: '', queues: [], asksFor: undefined, seconds: 6 },
]
const STEPS = [
  { kind: 'routePoint', name: '9000', duration: 58_000 },
  { kind: 'treatment', name: 'PlayAnnouncementAndDigits', duration: 12_000, result: 'Completed', keyCount: 1, keys: '2' },
]
/** Why somebody was chosen; the agent is the one at the desktop that asks. */
const CHOSEN = { rule: 'longest-idle-agent', passedOver: [{ agent: 'a7102', why: 'idle-shorter' }, { agent: 'a7103', why: 'not-ready' }], more: 0, waiting: 0, skills: [{ skill: 'French', level: 4 }], readyFor: 125_000, waited: 41_000 }

export class TeamOfMock {
  constructor(setup) {
    this.setup = setup
    /** By number: what a supervisor has set. */
    this.set = new Map()
    /** While true it is not answered. */
    this.isAway = false
    /** While true what is asked for somebody is accepted, and fails afterwards. */
    this.failsLater = false
    const began = Date.now()
    this.waiting = WAITING.map(({ seconds, ...call }, index) => ({ ...call, id: (0x00aan + BigInt(index)).toString(16).padStart(16, '0'), dnis: '9000', routePoint: '9000', since: began - seconds * 1_000 }))
  }

  /** What a call at a phone has come through. */
  course(call, agent) {
    const at = Date.now() - 60_000
    const queue = call.userData.find(({ key }) => key === 'RVQName')?.value
    const steps = queue === undefined ? [] : [...STEPS, { kind: 'queue', name: queue, duration: 41_000, chosen: { agent, ...CHOSEN } }]
    return { steps: steps.map((step) => ({ beganAt: at, ...step })), leftOut: 0, isWhole: true }
  }

  groups() {
    return this.setup.all('agent_group').map(({ name }, index) => ({ DBID: 2_000 + index, name, settings: {} }))
  }

  /** Answers what is below /users, and queues; undefined for what is not there. */
  asked([what, first, second, third], query, data = {}) {
    if (what === 'targets' && first === undefined) return this.#queues()
    if (what === 'schedule' && first === undefined) return { data: { now: Date.now(), shifts: [] } }
    if (what === 'supervisor' && first === 'schedules') return { data: { now: Date.now(), schedules: [], isPart: false } }
    if (what === 'supervisor' && first === 'waiting-calls') return this.#waiting(second, third, data)
    if (what !== 'users') return undefined
    if (this.isAway) return { status: 503, message: 'users cannot be read now' }
    if (first === undefined) return this.#users(query)
    if (second !== 'voice' || !(third in SET)) return { status: 501, message: 'there is no such operation' }
    this.set.set(Number(first), SET[third])
    return { code: 1 }
  }

  #users(query) {
    const group = this.setup.all('agent_group')[Number(query.get('groupId') ?? -1) - 2_000]
    const all = this.setup
      .all('person')
      .filter(({ agent }) => agent !== null)
      .map((person, index) => {
        const dbid = 1_000 + index
        const does = this.set.has(dbid) ? this.set.get(dbid) : DOES[index % DOES.length]
        const channels = does === undefined ? [] : [{ name: 'voice', available: does.userState.state === 'Ready', phoneNumber: person.agent.default_place.slice(1), timeInCurrentState: 30 + index, ...does }]
        return { dbid, userName: person.user_name, firstName: person.first_name, lastName: person.last_name, employeeId: person.agent.id, agentLogin: person.agent.id, availability: { channels } }
      })
      .filter(({ userName }) => group === undefined || group.agents.includes(userName))
    const term = (query.get('searchTerm') ?? '').toLowerCase()
    const found = all.filter(({ firstName, lastName, userName }) => `${firstName} ${lastName} ${userName}`.toLowerCase().includes(term))
    const states = (query.get('states') ?? '').split(',').filter(Boolean)
    if (states.length === 0) return this.#cut(found, query)
    if (found.length > LOOKED_AT_MAX) return { status: 400, message: `states: there are more than ${LOOKED_AT_MAX} agents to look at; name a groupId or a searchTerm` }
    return this.#cut(found.filter(({ availability: { channels } }) => states.includes(channels[0]?.userState.state ?? 'LoggedOut')), query)
  }

  #cut(all, query) {
    const offset = Number(query.get('offset') ?? 0)
    return { data: { users: all.slice(offset, offset + Number(query.get('limit') ?? 50)), totalMatches: all.length } }
  }

  #waiting(id, operation, { destination }) {
    if (this.isAway) return { status: 503, message: 'what waits cannot be read now' }
    const shown = ({ asksFor: _, since, ...call }) => ({ ...call, waiting: Math.floor((Date.now() - since) / 1_000) })
    if (id === undefined) return { data: { calls: this.waiting.map(shown), totalMatches: this.waiting.length } }
    const call = this.waiting.find((one) => one.id === id)
    if (call === undefined) return { status: 404, message: 'there is no such call, or it does not wait any more' }
    if (operation === 'move') {
      if (!destination) return { status: 400, message: 'destination: it is missing' }
      this.waiting = this.waiting.filter((one) => one !== call)
      return { code: 1 }
    }
    const agents = [{ agent: 'a7101', why: 'on-call' }, { agent: 'a7102', why: 'not-ready' }, { agent: 'a7104', why: 'on-call' }]
    const reasons = [{ why: 'on-call', agents: 2 }, { why: 'not-ready', agents: 1 }]
    const requests = call.asksFor === undefined ? [] : [{ asksFor: call.asksFor, priority: 3, waiting: 40, agents, reasons, withoutSkills: 5 }]
    return { data: { call: shown(call), course: { steps: STEPS.map((step) => ({ beganAt: call.since, ...step })), leftOut: 0, isWhole: true }, requests } }
  }

  #queues() {
    const queues = this.setup.all('dn').filter(({ type }) => type === 'virtual_queue')
    return { data: { targets: queues.map(({ number }, index) => ({ DBID: 4_000 + index, type: 'acd-queue', name: number, number, availability: { waitingCalls: 3 + index } })), totalMatches: queues.length } }
  }
}
