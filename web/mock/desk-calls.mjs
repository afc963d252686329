// The phone of one agent and its calls, as the Workspace API shows them: what each operation makes of them.

let calls = 0
/** What can be asked for of a recording, by its state. */
const RECORDING = { Stopped: ['start-recording'], Recording: ['stop-recording', 'pause-recording'], Paused: ['stop-recording', 'resume-recording'] }
const DATA = ['attach-user-data', 'update-user-data', 'delete-user-data-pair']
const kv = (pairs) => Object.entries(pairs).map(([key, value]) => ({ key, type: 'str', value }))
/** Numbers that are not there, and that are busy. */
const NOWHERE = /^0000/
const BUSY = /^7199$/

/** `tell` gets messages of the voice channel, `later` runs things some time after. */
export class Phone {
  constructor({ dn, agent, tell, later, wrapUpMs }) {
    Object.assign(this, { tell, later, wrapUpMs, calls: [], parked: new Map() })
    this.dn = { number: dn, switchName: 'Berlin', agentId: agent, agentState: 'NotReady', agentWorkMode: 'ManualIn', dnd: false, reasons: [], capabilities: ['ready', 'not-ready'], timestamp: Date.now() }
  }

  // === what happens by itself ===

  ring({ number = '+4930123456', queue = 'sales', data = {} } = {}) {
    const call = this.#begin('Inbound', 'Ringing', number, { RVQName: queue, RTargetObjectSelected: queue, ...data })
    call.dnis = '9000'
    this.#tell(call)
    return call
  }

  /** The other side hangs up. */
  hangUp(call) {
    this.#released(call)
  }

  state(agentState, agentWorkMode, reasons = {}, operationId = undefined) {
    Object.assign(this.dn, { agentState, agentWorkMode, reasons: kv(reasons), timestamp: Date.now(), wrapUpUntil: undefined })
    this.tell({ messageType: 'DnStateChanged', dn: this.dn, ...(operationId === undefined ? {} : { operationId }) })
  }

  /** Do-not-disturb or a forwarding, as by a code at the phone. */
  set(what, operationId = undefined) {
    Object.assign(this.dn, what)
    this.tell({ messageType: 'DnStateChanged', dn: this.dn, ...(operationId === undefined ? {} : { operationId }) })
  }

  /** After-call work for so long from now on; without end where that is undefined. It goes on since it has begun. */
  wrapUp(ms, operationId = undefined) {
    const until = ms === undefined ? undefined : Date.now() + ms
    const since = this.dn.agentWorkMode === 'AfterCallWork' ? this.dn.timestamp : Date.now()
    Object.assign(this.dn, { agentState: 'NotReady', agentWorkMode: 'AfterCallWork', reasons: [], timestamp: since, wrapUpUntil: until })
    this.tell({ messageType: 'DnStateChanged', dn: this.dn, ...(operationId === undefined ? {} : { operationId }) })
    if (ms === undefined) return
    this.later(() => (this.dn.agentWorkMode === 'AfterCallWork' && this.dn.wrapUpUntil === until ? this.state('Ready', 'AutoIn') : undefined), ms)
  }

  /** All of it once more, as messages. */
  told() {
    return [{ messageType: 'DnStateChanged', dn: this.dn }, ...this.calls.map((call) => ({ messageType: 'CallStateChanged', notificationType: 'CallRecovered', call: this.shown(call) }))]
  }

  #begin(callType, state, phoneNumber, data, more = {}) {
    calls += 1
    const id = (0x0193a1b2c3d40000n + BigInt(calls)).toString(16).padStart(16, '0')
    const call = { id, connId: id, callUuid: id.padStart(32, '0').toUpperCase(), callType, state, phoneNumber, ani: phoneNumber, dnis: this.dn.number, participants: [{ number: phoneNumber, role: 'RoleOrigination' }], userData: kv(data), extensions: [], recordingState: 'Stopped', began: Date.now(), stateBegan: Date.now(), ...more }
    this.calls.push(call)
    return call
  }

  #consultOf(call) {
    return this.calls.find((one) => one.parentConnId === call.id && one.state !== 'Released')
  }

  /** Has a call recorded, or paused, or neither, as a strategy does. */
  record(call, recordingState) {
    call.recordingState = recordingState
    this.#tell(call, undefined, 'CallRecordingStateChange')
  }

  shown(call) {
    const { began, stateBegan, over, ...shown } = call
    const recording = call.state === 'Established' ? RECORDING[call.recordingState] : []
    const duration = Math.floor(((over ?? Date.now()) - began) / 1_000)
    return { ...shown, stateSince: new Date(stateBegan).toISOString(), capabilities: [...this.#capabilities(call), ...recording], duration, startedAt: new Date(began).toISOString() }
  }

  #capabilities(call) {
    const consults = call.parentConnId !== undefined && this.calls.some(({ id }) => id === call.parentConnId)
    const isConsulted = this.#consultOf(call) !== undefined
    switch (call.state) {
      case 'Ringing':
        return ['answer', 'redirect', 'clear', ...DATA]
      case 'Dialing':
        return ['release', 'clear', ...DATA, ...(consults ? ['complete-transfer', 'reconnect'] : [])]
      case 'Established':
        if (consults) return ['release', 'hold', 'send-dtmf', ...DATA, 'alternate', 'reconnect', 'complete-conference', 'complete-transfer']
        return ['release', 'hold', 'clear', 'send-dtmf', ...DATA, ...(isConsulted ? ['alternate'] : ['initiate-conference', 'initiate-transfer', ...(call.participants.length > 1 ? ['delete-from-conference'] : ['single-step-transfer'])])]
      case 'Held':
        return ['release', 'retrieve', 'clear', ...DATA, ...(consults ? ['complete-conference', 'complete-transfer'] : isConsulted ? [] : ['single-step-transfer'])]
      case 'Released':
        return ['complete', ...DATA]
      default:
        return []
    }
  }

  #tell(call, operationId, notificationType = 'StateChange') {
    this.tell({ messageType: 'CallStateChanged', notificationType, call: this.shown(call), ...(operationId === undefined ? {} : { operationId }) })
  }

  #to(call, state, operationId) {
    call.state = state
    call.stateBegan = Date.now()
    call.over = state === 'Released' ? call.stateBegan : undefined
    this.#tell(call, operationId)
  }

  #released(call, operationId) {
    if (call.state === 'Released') return
    const wasBusiness = call.callType === 'Inbound' && call.state !== 'Ringing'
    this.#to(call, 'Released', operationId)
    if (!wasBusiness || this.dn.agentState === 'LoggedOut') return
    this.wrapUp(this.wrapUpMs)
  }

  // === what is asked for ===

  /** An operation of the DN; false if there is none of that name. */
  operate(operation, data, operationId) {
    if (operation === 'ready' || operation === 'login') this.state(operation === 'ready' ? 'Ready' : 'NotReady', operation === 'ready' ? 'AutoIn' : 'ManualIn', {}, operationId)
    else if (operation === 'not-ready' && data.agentWorkMode === 'AfterCallWork') this.wrapUp(data.extensions === undefined ? undefined : 1_000 * data.extensions.find(({ key }) => key === 'WrapUpTime').value, operationId)
    else if (operation === 'dnd-off') this.set({ dnd: false }, operationId)
    else if (operation === 'cancel-forward') this.set({ forwardTo: undefined }, operationId)
    else if (operation === 'fetch-parked') this.#fetch(data.connId, operationId)
    else if (operation === 'not-ready') this.state('NotReady', data.agentWorkMode ?? 'AuxWork', data.reasonCode === undefined ? {} : { ReasonCode: data.reasonCode }, operationId)
    else if (operation === 'logout') this.state('LoggedOut', 'Unknown', {}, operationId)
    else if (operation === 'make-call') this.#dial('Outbound', data.destination, operationId)
    else return false
    return true
  }

  /** A parked call rings where it was parked. */
  #fetch(id, operationId) {
    const call = this.parked.get(id)
    if (call === undefined) return this.tell({ messageType: 'EventError', error: { errorCode: 93, errorMessage: 'Invalid Call State' }, operationId })
    this.parked.delete(id)
    if (!this.calls.includes(call)) this.calls.push(call)
    Object.assign(call, { began: Date.now() })
    this.#to(call, 'Ringing', operationId)
  }

  #dial(type, destination, operationId, more = {}) {
    if (NOWHERE.test(destination)) return this.tell({ messageType: 'EventError', error: { errorCode: 415, errorMessage: 'Invalid Destination' }, operationId })
    for (const other of this.calls) if (other.state === 'Established') this.#to(other, 'Held')
    const call = this.#begin(type, 'Dialing', destination, {}, more)
    this.#tell(call, operationId)
    this.later(() => {
      if (call.state !== 'Dialing') return
      if (!BUSY.test(destination)) return this.#to(call, 'Established')
      this.#released(call)
      this.tell({ messageType: 'EventError', error: { errorCode: 231, errorMessage: 'DN Busy' }, operationId })
    }, 400)
    return call
  }

  /** An operation of a call; false if there is none of that name. */
  operateCall(call, operation, data, operationId) {
    const other = this.calls.find(({ id }) => id === (data.heldConnId ?? data.parentConnId ?? call.parentConnId))
    const swap = () => {
      if (call.state === 'Established') this.#to(call, 'Held', operationId)
      if (other !== undefined) this.#to(other, 'Established', operationId)
    }
    switch (operation) {
      case 'answer':
        for (const one of this.calls) if (one !== call && one.state === 'Established') this.#to(one, 'Held')
        return this.#to(call, 'Established', operationId), true
      case 'hold':
        return this.#to(call, 'Held', operationId), true
      case 'retrieve':
        for (const one of this.calls) if (one !== call && one.state === 'Established') this.#to(one, 'Held')
        return this.#to(call, 'Established', operationId), true
      case 'release':
      case 'clear':
      case 'redirect':
        return this.#released(call, operationId), true
      case 'single-step-transfer':
        if (NOWHERE.test(data.destination)) this.tell({ messageType: 'EventError', error: { errorCode: 71, errorMessage: 'Invalid Called DN' }, operationId })
        else {
          if (data.destination.startsWith('*68')) this.parked.set(call.id, call)
          this.#released(call, operationId)
        }
        return true
      case 'delete-from-conference':
        call.participants = call.participants.filter(({ number }) => number !== data.dnToDrop)
        return this.#tell(call, operationId, 'ParticipantsUpdated'), true
      case 'initiate-transfer':
      case 'initiate-conference':
        return this.#dial('Consult', data.destination, operationId, { parentConnId: call.id, userData: call.userData }), true
      case 'alternate':
        return swap(), true
      case 'reconnect':
        this.#released(call, operationId)
        if (other !== undefined) this.#to(other, 'Established', operationId)
        return true
      case 'complete-transfer':
        this.#released(call, operationId)
        if (other !== undefined) this.#released(other, operationId)
        return true
      case 'complete-conference':
        this.#released(call, operationId)
        if (other !== undefined) {
          other.participants = [...other.participants, { number: call.phoneNumber, role: 'RoleNewParty' }]
          this.#to(other, 'Established', operationId)
        }
        return true
      case 'pause-recording':
      case 'resume-recording':
        call.recordingState = operation === 'pause-recording' ? 'Paused' : 'Recording'
        return this.#tell(call, operationId, 'CallRecordingStateChange'), true
      case 'send-dtmf':
        call.digits = (call.digits ?? '') + data.dtmfDigits
        return this.#tell(call, operationId), true
      case 'update-user-data':
        call.userData = [...call.userData.filter(({ key }) => !data.userData.some((pair) => pair.key === key)), ...data.userData]
        return this.#tell(call, operationId, 'AttachedDataChanged'), true
      case 'complete':
        this.calls = this.calls.filter((one) => one !== call)
        return this.#to(call, 'Completed', operationId), true
      default:
        return false
    }
  }
}
