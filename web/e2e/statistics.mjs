// Reads statistics by the published Statistics API, with a client library that is not ours (genesys-statistics-client-js). Says each step
// as a line of JSON on stdout; ends with 0 when everything held. Says no secret, whatever happens.
//
// usage: STATISTICS_URL=… STATISTICS_CLIENT=… STATISTICS_SECRET=… STATISTICS_USER=… STATISTICS_PASSWORD=… STATISTICS_OBJECTS=…
//        node e2e/statistics.mjs WORK
//
//   WORK                `read`: everything that the library can; `follow`: one subscription, and each update is said too
//   STATISTICS_URL      the web edge: http on this machine, else https; NODE_EXTRA_CA_CERTS names the authority of a certificate that no
//                       public one has signed
//   STATISTICS_OBJECTS  an agent, its own, and a queue, with a space between them
//
// Behind a step whose line has `"waits":true` it goes on once a line comes on stdin.

import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { assert, assertEqual, until } from './checks.mjs'

// What the library says is for people: stdout has the steps alone.
for (const level of ['log', 'info', 'debug']) console[level] = (...words) => console.error(...words)

const require = createRequire(import.meta.url)
const Statistics = require('genesys-statistics-client-js')

const PATIENCE_MS = 60_000
/** The library sends no request without one, and nobody looks at it. */
const API_KEY = 'any'

function setting(name) {
  const value = process.env[name]
  if (value === undefined) {
    console.error(`${name} is not set`)
    process.exit(2)
  }
  return value
}

const url = setting('STATISTICS_URL')
const clientId = setting('STATISTICS_CLIENT')
const secret = setting('STATISTICS_SECRET')
const user = setting('STATISTICS_USER')
const password = setting('STATISTICS_PASSWORD')
const [agent, queue] = setting('STATISTICS_OBJECTS').split(' ')
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

/** The status with which the library fails. */
async function statusOf(words, promise) {
  try {
    await within(words, promise)
  } catch (error) {
    assert(error.status, `${words}: ${error.message}`)
    return error.status
  }
  return 200
}

/** A token for the person, by the password. */
async function token() {
  const body = new URLSearchParams({ grant_type: 'password', username: user, password, scope: '*' })
  const authorization = `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const answer = await fetch(`${url}/auth/v3/oauth/token`, { method: 'POST', body, headers: { authorization }, signal })
  assertEqual(answer.status, 200, 'the status of the token')
  return (await answer.json()).access_token
}

// === updates ===

/** All values of updates, and all states of the service, as they came. */
const updates = []
const services = []

const client = new Statistics(API_KEY, url)
client.on('Updates', ({ data }) => {
  for (const update of data.statistics) {
    updates.push(update)
    if (work === 'follow') say('update', { id: update.statisticId, value: update.value })
  }
})
client.on('ServiceChange', ({ data }) => services.push(data.serviceState))

/** Waits for an update of a statistic. */
async function comes(words, statisticId, fits) {
  const fitting = (update) => update.statisticId === statisticId && fits(update.value)
  return until(words, () => updates.find(fitting), PATIENCE_MS)
}

const STATE = { statisticId: 'state', objectId: agent, objectType: 'Agent', name: 'CurrentAgentState' }
const HANDLED = { statisticId: 'handled', objectId: agent, objectType: 'Agent', name: 'CallsHandled' }
const WAITING = { statisticId: 'waiting', objectId: queue, objectType: 'Queue', name: 'CurrentCallsWaiting' }
const ENTERED = {
  statisticId: 'entered',
  objectId: queue,
  objectType: 'Queue',
  definition: { category: 'TotalNumber', subject: 'DNAction', mainMask: 'CallEntered' },
}

const byId = (statistics) => Object.fromEntries(statistics.map((it) => [it.statisticId, it]))

async function begin() {
  await within('the client is initialised', client.initialize(await token()))
  say('initialized')
}

async function subscribes(id, statistics) {
  const { status, data } = await within('a subscription', client.createSubscription(id, statistics))
  assertEqual([status.code, data.subscriptionId], [0, id], 'the answer to a subscription')
  // A value that is not known in time comes as an update.
  const known = () => ({ ...byId(updates.filter((it) => it.subscriptionId === id)), ...byId(data.statistics) })
  await until('all values are known', () => statistics.every((it) => known()[it.statisticId]), PATIENCE_MS)
  return known()
}

async function read() {
  await begin()
  const opened = await subscribes('mine', [STATE, HANDLED, WAITING, ENTERED])
  assertEqual(opened.state.value.agentState, 'LoggedOut', 'the state of the agent')
  assertEqual([opened.handled.value, opened.waiting.value, opened.entered.value], [0, 0, 0], 'counts')
  assertEqual([opened.state.name, opened.state.objectId, opened.state.objectType], ['CurrentAgentState', agent, 'Agent'], 'the object')
  assert(Number.isInteger(opened.state.timestamp), 'there is a time')
  await until('the service is there', () => services.includes('Available'), PATIENCE_MS)
  await sayAndWait('subscribed')
  const ready = await comes('the agent is ready', 'state', (value) => value.agentState === 'Ready')
  assertEqual(ready.subscriptionId, 'mine', 'the subscription of an update')
  say('updated')

  const peeked = (await client.peekSubscriptionStats('mine')).data
  assertEqual(Object.keys(byId(peeked.statistics)).sort(), ['entered', 'handled', 'state', 'waiting'], 'all that is open')
  const some = (await client.peekSubscriptionStats('mine', ['handled', 'waiting'])).data
  assertEqual(Object.keys(byId(some.statistics)).sort(), ['handled', 'waiting'], 'what was asked for')
  say('peeked')
  const one = (await client.getStatValue('CurrentAgentState', agent, 'Agent')).data.statistic
  assertEqual(one.value.agentState, 'Ready', 'the value of one statistic')
  const several = (await client.getStatValues([{ ...HANDLED, statisticId: undefined }, WAITING])).data.statistics
  assertEqual(several.map((it) => it.value), [0, 0], 'the values of several')
  say('values')

  const ofOther = client.getStatValue('CurrentAgentState', 'nobody-known', 'Agent')
  assertEqual(await statusOf('another agent', ofOther), 403, 'of another agent')
  assertEqual(await statusOf('an unknown queue', client.getStatValue('CallsAnswered', 'no-such-queue', 'Queue')), 404, 'of no queue')
  assertEqual(await statusOf('no such subscription', client.peekSubscriptionStats('other')), 404, 'of no subscription')
  const faulty = { ...ENTERED, definition: { ...ENTERED.definition, category: 'NoSuchCategory' } }
  assertEqual(await statusOf('a faulty definition', client.createSubscription('faulty', [faulty])), 400, 'of a faulty definition')
  say('refused')

  assertEqual((await client.deleteSubscription('mine')).status.code, 0, 'the answer to an end')
  assertEqual(await statusOf('what is closed', client.peekSubscriptionStats('mine')), 404, 'of what is closed')
  say('closed')
  client.destroy()
  const over = () => statusOf('the session is over', client.peekSubscriptionStats('mine'))
  await until('the session is over', async () => (await over()) === 403, PATIENCE_MS)
  say('over')
}

async function follow() {
  await begin()
  const opened = await subscribes('mine', [STATE])
  assertEqual(opened.state.value.agentState, 'LoggedOut', 'the state of the agent')
  await sayAndWait('subscribed')
  for (const state of ['Ready', 'NotReady', 'LoggedOut']) {
    const from = updates.length
    const fits = (update) => update.statisticId === 'state' && update.value.agentState === state
    await until(`the agent is ${state}`, () => updates.slice(from).find(fits) ?? fits(updates.at(-1) ?? {}), PATIENCE_MS)
    await sayAndWait(state)
  }
  client.destroy()
  say('over')
}

/** What went wrong, without what a server or a library may have put into it. */
function inWords(error) {
  const answer = error.response?.text
  const words = [error.name, error.message, error.code, answer, error.cause?.message]
  const text = words.filter((word) => typeof word === 'string').join(': ')
  return [secret, password].reduce((left, hidden) => left.replaceAll(hidden, '…'), text)
}

try {
  const works = { read, follow }
  assert(work in works, 'usage: node e2e/statistics.mjs read|follow')
  await works[work]()
  process.exit(0)
} catch (error) {
  console.error(inWords(typeof error === 'string' ? new Error(error) : error))
  process.exit(1)
}
