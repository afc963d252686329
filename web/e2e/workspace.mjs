// Works as an agent by the published Workspace API, with a client library that is not ours (genesys-workspace-client-js). Says each step as
// a line of JSON on stdout; ends with 0 when everything held. Says no secret, whatever happens.
//
// usage: WORKSPACE_URL=… WORKSPACE_CLIENT=… WORKSPACE_SECRET=… WORKSPACE_USER=… WORKSPACE_PASSWORD=… node e2e/workspace.mjs WORK
//
//   WORK                `desk`: everything that an agent does; `inbound`: takes one call; `failover`: one call, and each event is said too;
//                       `personal`: favourites and recents
//                       `supervisor`: monitors an agent, and sets its state; `directory`: finds targets, and follows statistics
//   WORKSPACE_URL       the web edge: http on this machine, else https; NODE_EXTRA_CA_CERTS names the authority of a certificate that no
//                       public one has signed
//   WORKSPACE_WATCHED   user name and phone of the agent whom the supervisor watches, with a space between them
//   WORKSPACE_BY        how events come: `long-polling`, as the library does by itself in Node.js, or `websocket`, as it does in a browser
//   WORKSPACE_NUMBERS   two phones that answer by themselves, with a space between them; `inbound` needs none
//
// Behind a step whose line has `"waits":true` it goes on once a line comes on stdin.

import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { assert, assertEqual, until } from './checks.mjs'

// What the library says is for people: stdout has the steps alone.
for (const level of ['log', 'info', 'debug']) console[level] = (...words) => console.error(...words)

const require = createRequire(import.meta.url)
const WorkspaceApi = require('genesys-workspace-client-js')
const { SessionApi, UsersApi, VoiceApi } = require('genesys-workspace-client-js/src/internal/code-gen/workspace-api')

const PATIENCE_MS = 60_000
const VOICE = '/workspace/v3/voice'
const REPORTING = '/workspace/v3/reporting'

function setting(name, otherwise) {
  const value = process.env[name] ?? otherwise
  if (value === undefined) {
    console.error(`${name} is not set`)
    process.exit(2)
  }
  return value
}

const url = setting('WORKSPACE_URL')
const clientId = setting('WORKSPACE_CLIENT')
const secret = setting('WORKSPACE_SECRET')
const user = setting('WORKSPACE_USER')
const password = setting('WORKSPACE_PASSWORD')
const [other, third] = setting('WORKSPACE_NUMBERS', '').split(' ')
const [watched, watchedPhone] = setting('WORKSPACE_WATCHED', '').split(' ')
const by = setting('WORKSPACE_BY', 'long-polling')
const work = process.argv[2]

const orders = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

function say(step, found = {}) {
  process.stdout.write(`${JSON.stringify({ step, ...found })}\n`)
}

/** Says that the step is done, and waits to be told to go on. */
async function sayAndWait(step, found = {}) {
  say(step, { ...found, waits: true })
  const { done } = await orders.next()
  assert(!done, 'nobody says to go on')
}

/** A promise of the library, some of which never end. */
async function within(words, promise) {
  let timer
  const end = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${PATIENCE_MS} ms: ${words}`)), PATIENCE_MS)
  })
  try {
    return await Promise.race([promise, end])
  } finally {
    clearTimeout(timer)
  }
}

// === events ===

/** All that the desktop was told, as it came. */
const events = []

function record(event) {
  events.push(event)
  if (work !== 'failover') return
  const { dn, call, notificationType } = event
  const data = call?.userData?.map((pair) => pair.key)
  say('event', { type: event.messageType, state: call?.state ?? dn?.agentState, call: call?.id, notificationType, data })
}

function inShort({ messageType, dn, call, notificationType, error }) {
  if (call) return `${notificationType} ${call.id} ${call.state}`
  return dn ? `DN ${dn.agentState}/${dn.agentWorkMode}` : `${messageType} ${JSON.stringify(error)}`
}

/** Waits for an event behind the first `from`. A refusal that comes in its place ends the wait. */
async function comes(words, from, fits) {
  const late = () => events.slice(from)
  try {
    return await until(words, () => {
      const found = late().find(fits)
      const refusal = late().find((event) => event.messageType === 'EventError')
      assert(found || !refusal, `${words}: ${JSON.stringify(refusal?.error)}`)
      return found
    }, PATIENCE_MS)
  } catch (error) {
    throw new Error(`${error.message}; came: ${late().map(inShort).join(', ')}`)
  }
}

const dn = (fits) => (event) => event.messageType === 'DnStateChanged' && fits(event.dn)
const call = (fits) => (event) => event.messageType === 'CallStateChanged' && fits(event.call, event.notificationType)
/** A call in a state. */
const becomes = (id, state) => call((it) => it.id === id && it.state === state)
const hasPair = (pairs, key, value) => (pairs ?? []).some((pair) => pair.key === key && pair.type === 'str' && pair.value === value)
const others = (it) => it.participants.map((participant) => participant.number).sort()

// === the steps ===

/** Polls that the library has made. */
let polls = 0

/** Has the library find a WebSocket, as in a browser, which sends the session's cookie with it. */
function offerSockets() {
  const { WebSocket } = require('ws')
  const { window } = globalThis
  window.WebSocket = class extends WebSocket {
    constructor(address) {
      super(address, { headers: { cookie: client._sessionCookie.split(';')[0] } })
    }
  }
  const Request = window.XMLHttpRequest
  function CountedRequest() {
    polls += 1
    Request.call(this)
  }
  window.XMLHttpRequest = Object.assign(CountedRequest, Request)
}

if (by === 'websocket') offerSockets()
const client = new WorkspaceApi(undefined, url)
client.on('DnStateChanged', (event) => record({ messageType: 'DnStateChanged', ...event }))
client.on('CallStateChanged', (event) => record({ messageType: 'CallStateChanged', ...event }))

/** What programs are answered at whose replica is just gone, or hangs: they ask again. */
const PASSING = [502, 503, 504]

/** An operation that a replica which is just gone has not taken is asked for again, as programs do. */
async function accepted(step, operation) {
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    try {
      const answer = await operation()
      assertEqual(answer.status.code, 1, `${step}: the code of an operation that is accepted`)
      return
    } catch (error) {
      if (work !== 'failover' || !PASSING.includes(error.status) || Date.now() > end) throw error
    }
  }
}

/** Asks for an operation, and waits for the event that it causes. */
async function does(step, operation, fits) {
  const from = events.length
  await accepted(step, operation)
  const event = await comes(step, from, fits)
  say(step)
  return event
}

/** A token for the person, by the password. */
async function token() {
  const body = new URLSearchParams({ grant_type: 'password', username: user, password, scope: '*' })
  const authorization = `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const answer = await fetch(`${url}/auth/v3/oauth/token`, { method: 'POST', body, headers: { authorization }, signal })
  assertEqual(answer.status, 200, 'the status of the token')
  const given = await answer.json()
  assertEqual(given.token_type.toLowerCase(), 'bearer', 'the type of the token')
  say('token')
  return given.access_token
}

/** From the token to an agent who is ready. */
async function begin() {
  const bearer = await token()
  await within('the workspace is initialised', client.initialize({ token: bearer }))
  assertEqual(client.user.userName, user, 'who is at the desktop')
  const lunch = client.configuration.actionCodes.find((code) => code.code === 'Lunch')
  assertEqual(lunch?.type, 'NotReady', 'the type of the reason of the example')
  // The library shows no refusals that come later, and not whom it monitors; it has subscribed to the channel already, and asks for it once.
  client._cometd.subscribe(VOICE, ({ data }) => {
    if (['EventError', 'MonitoringStateChanged'].includes(data.messageType)) record(data)
  })
  say('initialize', { place: client.user.defaultPlace, agent: client.user.agentLogin })

  const from = events.length
  const answer = await client.activateChannels()
  assertEqual(answer.status.code, 0, 'the code of activated channels')
  const event = await comes('activate', from, dn((it) => it.agentState !== 'LoggedOut'))
  say('activate', { dn: event.dn.number, agent: event.dn.agentId })
  await does('ready', () => client.voice.ready(), dn((it) => it.agentState === 'Ready'))
}

async function session() {
  const { response } = await new SessionApi(client.agent).getCurrentSessionWithHttpInfo()
  assertEqual(response.body.status.code, 0, 'the code of the session')
  return response.body.data.user
}

/** Ends the session, and sees it ended. */
async function end() {
  await client.destroy()
  // The library does not wait for the answer.
  await until('the session is over', async () => {
    try {
      await session()
      return false
    } catch (error) {
      if (error.status !== 403) throw error
      assertEqual(error.response.body.status.code, 603, 'the code without a session')
      return true
    }
  })
  say('logout')
}

/** Calls the number; the answer is the call's id. */
async function makes(number, step = 'make') {
  const from = events.length
  const fits = call((it) => it.state === 'Dialing' && it.callType === 'Internal')
  const dialing = await does(`${step}-dialing`, () => client.voice.makeCall(number), fits)
  const established = await comes(step, from, becomes(dialing.call.id, 'Established'))
  assertEqual(others(established.call), [number], 'who is in the call')
  assert(established.call.capabilities.includes('hold'), 'it can be held')
  say(step, { call: dialing.call.id })
  return dialing.call.id
}

/** Calls a number about the call; the answer is the id of that call. */
async function consults(step, id, operation) {
  const from = events.length
  const fits = call((it) => it.callType === 'Consult' && it.state === 'Dialing' && it.parentConnId === id)
  const dialing = await does(`${step}-dialing`, operation, fits)
  await comes(`${step}: the call is held`, from, becomes(id, 'Held'))
  await comes(step, from, becomes(dialing.call.id, 'Established'))
  say(step)
  return dialing.call.id
}

async function agentStates() {
  const { voice } = client
  const lunch = dn((it) => it.agentState === 'NotReady' && it.agentWorkMode === 'AuxWork' && hasPair(it.reasons, 'ReasonCode', 'Lunch'))
  await does('not-ready', () => voice.notReady('AuxWork', 'Lunch'), lunch)
  await does('ready-again', () => voice.ready(), dn((it) => it.agentState === 'Ready' && !hasPair(it.reasons, 'ReasonCode', 'Lunch')))
  await does('dnd-on', () => voice.dndOn(), dn((it) => it.dnd === true))
  await does('dnd-off', () => voice.dndOff(), dn((it) => it.dnd === false))
  await does('set-forward', () => voice.setForward(third), dn((it) => it.forwardTo === third))
  await does('cancel-forward', () => voice.cancelForward(), dn((it) => !it.forwardTo))
}

async function withOneCall(id) {
  const { voice } = client
  await does('hold', () => voice.holdCall(id), becomes(id, 'Held'))
  await does('retrieve', () => voice.retrieveCall(id), becomes(id, 'Established'))
  const pair = (value) => [{ key: 'Order', type: 'str', value }]
  const data = (fits) => call((it, why) => it.id === id && why === 'AttachedDataChanged' && fits(it.userData))
  await does('attach-user-data', () => voice.attachUserData(id, pair('4711')), data((had) => hasPair(had, 'Order', '4711')))
  await does('update-user-data', () => voice.updateUserData(id, pair('4712')), data((had) => hasPair(had, 'Order', '4712')))
  await does('delete-user-data-pair', () => voice.deleteUserDataPair(id, 'Order'), data((had) => !had.some((it) => it.key === 'Order')))
  const recording = (state) => call((it) => it.id === id && it.recordingState === state)
  await does('start-recording', () => voice.startRecording(id), recording('Recording'))
  await does('pause-recording', () => voice.pauseRecording(id), recording('Paused'))
  await does('resume-recording', () => voice.resumeRecording(id), recording('Recording'))
  await does('stop-recording', () => voice.stopRecording(id), recording('Stopped'))
  // No event of the desktop tells of digits: who follows the DN hears of them.
  await accepted('send-dtmf', () => voice.sendDTMF(id, '42'))
  await sayAndWait('send-dtmf', { call: id })
}

async function transfers(id) {
  const { voice } = client
  const first = await consults('initiate-transfer', id, () => voice.initiateTransfer(id, third))
  await does('alternate', () => voice.alternateCalls(first, id), becomes(id, 'Established'))
  assertEqual(voice.calls.get(first)?.state, 'Held', 'the consultation meanwhile')
  await does('alternate-back', () => voice.alternateCalls(id, first), becomes(first, 'Established'))
  const from = events.length
  await does('reconnect', () => voice.reconnectCall(first, id), becomes(first, 'Released'))
  await comes('reconnect: the call is back', from, becomes(id, 'Established'))
  await sayAndWait('reconnected')
  const second = await consults('initiate-transfer-again', id, () => voice.initiateTransfer(id, third))
  await does('complete-transfer', () => voice.completeTransfer(second, id), becomes(id, 'Released'))
  await until('the consultation is over too', () => voice.calls.size === 0)
  await sayAndWait('transferred')
}

async function confers() {
  const { voice } = client
  const id = await makes(other, 'make-again')
  const consultation = await consults('initiate-conference', id, () => voice.initiateConference(id, third))
  const three = call((it) => it.id === id && it.state === 'Established' && [other, third].every((one) => others(it).includes(one)))
  await does('complete-conference', () => voice.completeConference(consultation, id), three)
  await until('the consultation is in the call', () => !voice.calls.has(consultation))
  const two = call((it) => it.id === id && it.state === 'Established' && !others(it).includes(third))
  await does('delete-from-conference', () => voice.deleteFromConference(id, third), two)
  await does('release', () => voice.releaseCall(id), becomes(id, 'Released'))
}

async function desk() {
  await begin()
  await agentStates()
  const id = await makes(other)
  await withOneCall(id)
  const before = await session()
  assertEqual(before.userName, user, 'whose session it is')
  assertEqual(before.activeSession.calls.map((it) => [it.id, it.state]), [[id, 'Established']], 'the calls of the session')
  say('current-session', { dn: before.activeSession.dn?.number })
  await new SessionApi(client.agent).authKeepAlive()
  say('auth-keep-alive')
  await transfers(id)
  await confers()
  await does('voice-logout', () => client.voice.logout(), dn((it) => it.agentState === 'LoggedOut'))
  await does('voice-login', () => client.voice.login(), dn((it) => it.agentState !== 'LoggedOut'))
  await end()
}

async function inbound() {
  await begin()
  const from = events.length
  say('waits-for-a-call')
  const ringing = await comes('a call', from, call((it) => it.state === 'Ringing' && it.callType === 'Inbound'))
  const { id, capabilities } = ringing.call
  assert(capabilities.includes('answer'), 'it can be answered')
  say('ringing', { call: id })
  await does('answer', () => client.voice.answerCall(id), becomes(id, 'Established'))
  const back = events.length
  say('talking', { call: id })
  await comes('who has called hangs up', back, becomes(id, 'Released'))
  say('released')
  await end()
}

async function failover() {
  await begin()
  const { voice } = client
  const id = await makes(other)
  await sayAndWait('established', { call: id })
  await does('hold', () => voice.holdCall(id), becomes(id, 'Held'))
  await sayAndWait('held')
  await does('retrieve', () => voice.retrieveCall(id), becomes(id, 'Established'))
  await sayAndWait('retrieved')
  await does('hold-again', () => voice.holdCall(id), becomes(id, 'Held'))
  await sayAndWait('held-again')
  await does('retrieve-again', () => voice.retrieveCall(id), becomes(id, 'Established'))
  const { activeSession } = await session()
  assertEqual(activeSession.calls.map((it) => [it.id, it.state]), [[id, 'Established']], 'the calls of the session')
  assertEqual(activeSession.dn.agentState, 'Ready', 'the agent')
  await does('release', () => voice.releaseCall(id), becomes(id, 'Released'))
  const connectedBy = client._cometd.getTransport().getType()
  assertEqual(connectedBy, by, 'how events come')
  if (by === 'websocket') say('connected', { by: connectedBy, polls })
  await sayAndWait('released')
  await end()
}

/** Favourites and recents of the person, who needs no phone for them. */
async function personal() {
  const bearer = await token()
  await within('the workspace is initialised', client.initialize({ token: bearer }))
  say('initialize')
  const { targets } = client
  const done = (answer, words) => assertEqual(answer.status.code, 0, words)
  const lists = (answer, words, wanted) => {
    done(answer, words)
    assertEqual(answer.data.targets.map((it) => [it.type, it.name, it.DBID > 0]), wanted.map((it) => [...it, true]), words)
    assertEqual(answer.data.totalMatches, wanted.length, `${words}: how many there are`)
  }
  const first = { type: 'agent', id: '17', firstName: 'Ann', lastName: 'Adams', numbers: ['7102'] }
  const second = { type: 'custom-contact', firstName: 'Bob', numbers: ['0301234'] }
  done(await targets.savePersonalFavorite(first, 'team'), 'the first favourite')
  say('saved')
  done(await targets.savePersonalFavorite(second, 'outside'), 'the second favourite')
  say('saved-again')
  const both = [['custom-contact', 'Bob'], ['agent', 'Ann Adams']]
  const favourites = await targets.getPersonalFavorites()
  lists(favourites, 'the favourites', both)
  say('favourites')
  await sayAndWait('first-gone')
  lists(await targets.getPersonalFavorites(10), 'the favourites at the other replica', both)
  say('still-there')
  done(await targets.deletePersonalFavorite(favourites.data.targets[0].DBID, 'custom-contact'), 'a favourite is removed')
  lists(await targets.getPersonalFavorites(), 'the favourites that are left', [['agent', 'Ann Adams']])
  say('deleted')
  await sayAndWait('second-gone')
  done(await targets.addRecentTarget(first, 'voice'), 'a recent')
  lists(await targets.getRecentTargets(), 'the recents', [['agent', 'Ann Adams']])
  say('recents')
  done(await targets.ackRecentMissedCalls(), 'missed calls are acknowledged')
  say('acknowledged')
  await end()
}

const bodyOf = ({ response }) => response.body

async function supervisor() {
  await begin()
  const users = new UsersApi(client.agent)
  const listed = bodyOf(await users.getUsersWithHttpInfo({ searchTerm: watched, limit: 10 }))
  assertEqual(listed.data.users.map((it) => it.userName), [watched], 'who is found among the agents')
  say('users', { total: listed.data.totalMatches })

  const voice = new VoiceApi(client.agent)
  const monitoring = (state) => (event) => event.messageType === 'MonitoringStateChanged' && event.eventType === state
  const wanted = { phoneNumberToMonitor: watchedPhone, monitoringMode: 'Mute', monitoringNextCallType: 'AllCalls' }
  const start = () => voice.startMonitoringWithHttpInfo({ data: wanted }).then(bodyOf)
  const from = events.length
  await does('start-monitoring', start, monitoring('MonitoringStarted'))
  await sayAndWait('monitors')
  const observed = await comes('the call of the agent', from, call((it) => it.isMonitoredByMe && it.state === 'Established'))
  const { id, monitoringInfo } = observed.call
  assertEqual(monitoringInfo.monitoredDN, watchedPhone, 'whose call it is')
  say('observes', { call: id })
  const by = (mode) => call((it) => it.id === id && it.monitoringInfo?.monitorMode === mode)
  await does('switch-to-coaching', () => voice.switchToCoachingWithHttpInfo(id, {}).then(bodyOf), by('Coach'))
  await does('switch-to-barge-in', () => voice.switchToBargeInWithHttpInfo(id, {}).then(bodyOf), by('Connect'))
  await does('switch-to-listen-in', () => voice.switchToListenInWithHttpInfo(id, {}).then(bodyOf), by('Mute'))
  const stop = () => voice.stopMonitoringWithHttpInfo({ data: { phoneNumber: watchedPhone } }).then(bodyOf)
  await does('stop-monitoring', stop, monitoring('MonitoringStopped'))
  await does('release', () => client.voice.releaseCall(id), becomes(id, 'Released'))
  await sayAndWait('released')

  const set = (operation) => users.supervisorRemoteOperationWithHttpInfo(operation, { data: { data: { userName: watched } } })
  await accepted('set-not-ready', () => set('not-ready').then(bodyOf))
  await sayAndWait('set-not-ready')
  await accepted('log-out', () => set('logout').then(bodyOf))
  await sayAndWait('logged-out')
  await end()
}

async function directory() {
  await begin()
  const [target] = await client.targets.search(client.user.lastName.toLowerCase())
  assertEqual(target.userName, user, 'who is found by the last name')
  const { dn: phone } = (await session()).activeSession
  // Statistics follow the events.
  await until('the presence', async () => {
    const one = await client.targets.getTarget(target.DBID, 'agent')
    const [channel] = one.data.targets[0].availability?.channels ?? []
    return channel?.name === 'voice' && channel.phoneNumber === phone.number && channel.userState.state === 'Ready'
  }, PATIENCE_MS)
  say('targets')

  const told = []
  client._cometd.subscribe(REPORTING, ({ data }) => told.push(data))
  const statistic = { objectId: client.user.employeeId, objectType: 'Agent', name: 'CurrentAgentState' }
  const opened = await client.reporting.subscribe([statistic])
  assertEqual(opened.status.code, 0, 'the code of a subscription')
  const { subscriptionId, statistics } = opened.data
  assertEqual(statistics[0].value.status, 'WaitForNextCall', 'the state at first')
  say('subscribe')
  await client.voice.notReady('AuxWork', 'Lunch')
  const isLunch = (it) => it.value.status === 'NotReadyForNextCall' && it.value.reason === 'Lunch break'
  const changes = () => told.flatMap((it) => it.subscriptions ?? []).filter((it) => it.subscriptionId === subscriptionId)
  await until('the change is told', () => changes().some((it) => it.statistics.some(isLunch)), PATIENCE_MS)
  say('change')
  const peeked = await client.reporting.peek(subscriptionId)
  assert(peeked.data.statistics.every(isLunch), 'what is looked at')
  say('peek')
  // The library puts an object into the path.
  try {
    await client.reporting.unsubscribe(subscriptionId)
    assert(false, 'a subscription that there is not was closed')
  } catch (error) {
    assertEqual(error.status, 404, 'the status of what the library asks for')
  }
  say('unsubscribe')
  await end()
}

/** What went wrong, without what a server or a library may have put into it. */
function inWords(error) {
  const answer = error.response?.text
  const words = [error.name, error.message, error.code, answer, error.cause?.message]
  const text = words.filter((word) => typeof word === 'string').join(': ')
  return [secret, password].reduce((left, hidden) => left.replaceAll(hidden, '…'), text)
}

try {
  const works = { desk, inbound, failover, personal, supervisor, directory }
  assert(work in works, 'usage: node e2e/workspace.mjs desk|inbound|failover|personal|supervisor|directory')
  await works[work]()
  process.exit(0)
} catch (error) {
  console.error(inWords(typeof error === 'string' ? new Error(error) : error))
  process.exit(1)
}
