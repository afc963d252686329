// Changes the configuration by the published Provisioning API, with a client library that is not ours (genesys-provisioning-client-js).
// Says each step as a line of JSON on stdout; ends with 0 when everything held. Says no secret, whatever happens.
//
// usage: PROVISIONING_URL=… PROVISIONING_CLIENT=… PROVISIONING_SECRET=… PROVISIONING_USER=… PROVISIONING_PASSWORD=…
//        node e2e/provisioning-api.mjs WORK
//
//   WORK              `administrator`: everything that somebody does who looks after the people of the example; `failover`: asks for
//                     people again and again while replicas are killed
//   PROVISIONING_URL  the web edge: http on this machine, else https; NODE_EXTRA_CA_CERTS names the authority of a certificate that no
//                     public one has signed
//
// Behind a step whose line has `"waits":true` it goes on once a line comes on stdin.

import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { assert, assertEqual, until } from './checks.mjs'

// What the library says is for people: stdout has the steps alone.
for (const level of ['log', 'info', 'debug']) console[level] = (...words) => console.error(...words)

const require = createRequire(import.meta.url)
const {
  ProvisioningApi, CapacityRulesApi, EmailSettingsApi, OperationsApi, SettingsApi, StatisticsApi, WhitelistApi
} = require('genesys-provisioning-client-js')

const PATIENCE_MS = 60_000

function setting(name) {
  const value = process.env[name]
  if (value === undefined) {
    console.error(`${name} is not set`)
    process.exit(2)
  }
  return value
}

const url = setting('PROVISIONING_URL')
const clientId = setting('PROVISIONING_CLIENT')
const secret = setting('PROVISIONING_SECRET')
const user = setting('PROVISIONING_USER')
const password = setting('PROVISIONING_PASSWORD')
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

/** Asks again what a replica has not taken that is just gone, as programs do at 503 and where a connection has broken. */
async function asked(words, ask) {
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    try {
      return await within(words, ask())
    } catch (error) {
      const isPassing = error.status === undefined || [502, 503, 504].includes(error.status)
      if (work !== 'failover' || !isPassing || Date.now() > end) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

/** Asks for what has to be refused with that status; what it says. */
async function refused(words, status, ask) {
  try {
    await within(words, ask())
  } catch (error) {
    assertEqual(error.status, status, `${words}: the status`)
    return error.response.body.status.message
  }
  throw new Error(`${words}: it was not refused`)
}

async function token() {
  const body = new URLSearchParams({ grant_type: 'password', username: user, password, scope: '*' })
  const authorization = `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const answer = await fetch(`${url}/auth/v3/oauth/token`, { method: 'POST', body, headers: { authorization }, signal })
  assertEqual(answer.status, 200, 'the status of the token')
  say('token')
  return (await answer.json()).access_token
}

const api = new ProvisioningApi(undefined, url)
/** Changes of objects that were told. */
const changes = []

async function begin() {
  await within('the session is initialised', api.initialize({ token: await token() }))
  api._cometd.addListener('/objects', ({ data }) => changes.push(data.data))
  say('initialize')
}

/** The outcome of an operation that comes by a notification. */
async function outcome(words, begin) {
  let found
  const answer = await asked(words, () => begin((data) => (found = data)))
  assertEqual(answer.status.code, 1, `${words}: the code of what is begun`)
  return until(words, () => found, PATIENCE_MS)
}

// === the steps ===

async function people() {
  const all = await within('people', api.users.getUsers({ sortBy: 'userName', order: 'Ascending' }))
  assert(all.length > 3 && all.every((one) => one.DBID && one.userName), `people: ${all.length}`)
  const two = await within('two people', api.users.getUsers({ sortBy: 'userName', limit: 2, offset: 1 }))
  assertEqual(two.map((one) => one.userName), all.slice(1, 3).map((one) => one.userName), 'a part of the people')
  assertEqual((await within('me', api.users.getCurrentUser())).userName, user, 'who asks')
  say('get-users')

  const told = await outcome('people by a notification', (done) => api.operations.getUsers({ limit: 2, sortBy: 'userName' }, done))
  assertEqual(told.users.map((one) => one.userName), all.slice(0, 2).map((one) => one.userName), 'people by a notification')
  assertEqual(told.totalCount, all.length, 'how many there are')
  const used = await outcome('used skills', (done) => api.operations.getUsedSkills(done))
  assert(used.skills.some((skill) => skill.name === 'Sales'), JSON.stringify(used))
  say('get-users-async')
}

async function aPerson() {
  const data = {
    userName: 'eve.evans',
    firstName: 'Eve',
    lastName: 'Evans',
    password: 'a long word for eve 17',
    emailAddress: 'eve@example.com',
    employeeID: '1907',
    loginCode: '1907',
    isAgent: true,
    enabled: true,
    skills: [{ name: 'Sales', level: 4 }],
    agentGroups: ['Robots'],
    wrapUpTime: '7',
    sipPhoneType: 'GENERIC_PHONE'
  }
  const made = await within('a person is made', api.users.addUser({ data }))
  assert(made.id === made.person.DBID && /^[1-9][0-9]*$/.test(made.id), JSON.stringify(made.id))
  // The library makes a text of what says whether somebody is an agent, and leaves the groups out.
  assertEqual([made.person.userName, made.person.isAgent], ['eve.evans', 'true'], 'who was made')
  assert(!JSON.stringify(made).includes('a long word'), 'the password is shown')
  const again = await refused('the same person again', 409, () => api.users.addUser({ data }))
  assert(again.includes('eve.evans'), again)
  say('add-user', { id: made.id })

  const change = { userName: 'eve.evans', firstName: 'Eve', lastName: 'Archer', password: '', skills: [{ name: 'English', level: 2 }] }
  await within('she is changed', api.users.updateUser(made.id, { data: { ...change, deletedAgentGroups: ['Robots'] } }))
  const eve = await within('she is read', api.users.getUser(made.id))
  assertEqual([eve.lastName, eve.loginCode, eve.agentGroups], ['Archer', '1907', []], 'who was changed')
  assertEqual(eve.skills.map((skill) => skill.name).sort(), ['English', 'Sales'], 'her skills')
  assertEqual([eve.wrapUpTime, eve.sipPhoneType], [7, 'GENERIC_PHONE'], 'what is kept')
  const unknown = await refused('a skill that is not there', 400, () =>
    api.users.updateUser(made.id, { data: { ...change, skills: [{ name: 'Patience', level: 1 }] } })
  )
  assert(unknown.includes('Patience'), unknown)
  say('update-user')
  return made.id
}

async function objects() {
  const skills = await within('skills', api.objects.getSkills({ sortKey: 'name' }))
  assertEqual(skills.skills.map((skill) => skill.name), ['English', 'Sales', 'Support'], 'the skills of the example')
  assertEqual(skills.totalCount, 3, 'how many there are')
  const used = await within('skills in use', api.objects.getSkills({ inUse: true, searchTerm: 'sal', matchMethod: 'startsWith' }))
  assertEqual(used.skills.map((skill) => skill.name), ['Sales'], 'a skill in use')
  const dns = await within('DNs', api.objects.getDns({ dnType: 'CFGExtension', searchTerm: '710', limit: 2, sortKey: 'number' }))
  assertEqual(dns.dns.map((dn) => [dn.number, dn.type]), [['7101', 'CFGExtension'], ['7102', 'CFGExtension']], 'phones')
  const groups = await within('agent groups', api.objects.getAgentGroups({ searchTerm: 'Robots' }))
  assertEqual(groups['agent-groups'].map((group) => group.groupInfo.name), ['Robots'], 'a group')
  say('objects')
}

async function options() {
  await within('options are set', api.options.modify({ desk: { ring: 'soft', calls: 2 } }))
  await within('options are changed', api.options.update({ more: { on: 'yes' } }, { desk: { ring: 'loud' } }, { desk: { calls: '2' } }))
  const { options, cmeAppName } = await within('options are read', api.options.get({}))
  assertEqual([options, cmeAppName], [{ desk: { ring: 'loud' }, more: { on: 'yes' } }, 'CloudCluster'], 'the options')
  say('options')

  const rules = new CapacityRulesApi(api._client)
  await within('a rule is made', rules.capRulesPost({ data: { name: 'Two calls', mediaRules: { voice: 2 } } }))
  const two = (await within('a rule is read', rules.capRulesGet({ name: 'Two calls' }))).data.capacityRules
  assertEqual(two.map((rule) => rule.mediaRules), [{ voice: 2 }], 'the rule')
  await within('a rule is removed', rules.capruleDelete(two[0].DBID))
  say('capacity-rules')
}

async function namedSettings() {
  const settings = new SettingsApi(api._client)
  const templates = { greeting: { subject: 'Hello', priority: 2 }, farewell: { subject: 'Goodbye' } }
  await within('templates are made', settings.postTemplates({ data: { templates } }))
  await within('a template is removed', settings.deleteTemplates('farewell'))
  const kept = (await within('templates are read', settings.getTemplates())).data['api-templates']
  assertEqual(kept, { greeting: { priority: '2', subject: 'Hello' } }, 'the templates')
  await within('an endpoint is made', settings.postApiEndpoints({ data: { apiEndpoints: { crm: { url: 'https://crm.example' } } } }))
  const endpoints = (await within('endpoints are read', settings.getApiEndpoints())).data['api-endpoints']
  assertEqual(endpoints, { crm: { url: 'https://crm.example' } }, 'the endpoints')
  await within('the endpoint is removed', settings.deleteApiEndpoints('crm'))
  const gone = await refused('an endpoint that is gone', 404, () => settings.deleteApiEndpoints('crm'))
  assert(gone.startsWith('name: '), gone)
  say('settings')
}

async function statistics() {
  const statistics = new StatisticsApi(api._client)
  const calls = { category: 'TotalNumber', subject: 'DNAction', main: ['CallInbound'] }
  await within('a statistic is made', statistics.postStatisticDefinitions({ data: { statisticDefinitions: { Agent: { Calls: calls } } } }))
  await within('it begins anew', statistics.postUpdateResetTimesStatistics({ resetTime: '06:00' }))
  const [file] = (await within('a file', statistics.getExportStatisticDefinitions())).data.files
  assertEqual(JSON.parse(file).statisticDefinitions.Agent.Calls.resets, '06:00', 'when it begins anew')
  await within('it is removed', statistics.deleteAgentStatistic('Calls'))
  await within('the file is taken', statistics.postImportStatisticDefinitions(Buffer.from(file)))
  const { Agent } = (await within('statistics', statistics.getStatisticDefinitions())).data.statisticDefinitions
  assertEqual([Agent.Calls.category, Agent.Calls.resets], ['TotalNumber', '06:00'], 'the statistic of the file')
  say('statistics')
}

async function addresses() {
  const list = new WhitelistApi(api._client)
  const status = (whitelistStatus) => list.postWhitelistStatus({ data: { data: { whitelistStatus } } })
  const read = () => within('the addresses', list.getWhitelist())
  assertEqual((await read()).whitelistStatus, 'disabled', 'whether the list counts')
  const locked = await refused('a list without the own address', 409, () => status('enabled'))
  assert(locked.startsWith('whitelist: '), locked)
  await within('a network is added', list.postWhitelist({ data: { data: { host: '127.0.0.0/8' } } }))
  const added = await within('an address is added', list.postWhitelist({ data: { data: { host: '203.0.113.7' } } }))
  const [, other] = added.whitelist.addresses
  assertEqual(other.address, '203.0.113.7', 'what was added')
  await within('it is changed', list.putWhitelist({ data: { data: [{ id: String(other.id), address: '203.0.113.8' }] } }))
  await within('the list counts', status('enabled'))
  const { whitelistStatus, whitelist } = await read()
  assertEqual([whitelistStatus, whitelist.addresses.map((one) => one.address)], ['enabled', ['127.0.0.0/8', '203.0.113.8']], 'the list')
  await within('it counts no more', status('disabled'))
  await within('it is emptied', list.deleteWhitelist({ data: { data: whitelist.addresses.map((one) => String(one.id)) } }))
  assertEqual((await read()).whitelist.addresses, [], 'the list that was emptied')
  say('whitelist')
}

async function tables(id) {
  const exported = await within('an export', api.export.exportFile({
    fields: ['userName', 'lastName', 'skills'], fileName: 'people.csv', personDBIDs: [id], filterParameters: {}
  }))
  assertEqual((await within('its status', api.export.getStatus(exported))).progress, 100, 'how far the export is')
  const table = await within('the table', api.export.downloadExport(exported))
  const [head, line] = table.split('\r\n')
  assertEqual(head, 'userName,lastName,skills', 'the head of the table')
  assertEqual([...line.split(/[,|]/)].sort(), ['Archer', 'English=2', 'Sales=4', 'eve.evans'], 'the line of the table')
  say('export')

  const wrong = 'userName,firstName,lastName,employeeID,skills\nnew.one,New,One,1908,Patience=1\n'
  const looked = JSON.parse(await within('a table is looked at', api.import.validateFile('wrong.csv', wrong)))
  assert(!looked.data.isValid && looked.data.failed[0].includes('Patience'), JSON.stringify(looked))
  await within('a table is taken', api.import.importFile('people.csv', 'userName,firstName,lastName\nnew.one,New,One\n', true))
  const status = await until('the import is done', async () => {
    const told = await within('its status', api.import.getStatus(user, 'example'))
    return told.activeImporters.length === 0 && told
  })
  assertEqual([status.succeedCount, status.totalCount, status.failed], [1, 1, []], 'how far the import is')
  const found = await within('who was imported', api.users.getUsers({ filterName: 'FirstNameOrLastNameMatches', filterParameters: 'new' }))
  assertEqual(found.map((one) => one.userName), ['new.one'], 'who was imported')
  await within('the import is over', api.import.terminate())
  say('import')
  return found[0].DBID
}

async function watched(ids) {
  const operations = new OperationsApi(api._client)
  await within('changes are watched', operations.postWatchObjects({ types: ['users'] }))
  for (const id of ids) await within('somebody is removed', api.users.deleteUser(String(id), true))
  const removed = ['eve.evans', 'new.one']
  await until('the changes are told', () => removed.every((name) => changes.some((one) => one.name === name && one.operation === 'deleted')))
  assert(changes.every((one) => one.type === 'users'), JSON.stringify(changes))
  const gone = await refused('who is gone', 404, () => api.users.getUser(String(ids[0])))
  assert(gone.includes(String(ids[0])), gone)
  say('delete-user')
}

async function administrator() {
  await begin()
  await people()
  const eve = await aPerson()
  await objects()
  await options()
  await namedSettings()
  await statistics()
  await addresses()
  const imported = await tables(eve)
  await watched([eve, imported])
  const later = await refused('what comes later', 503, () => new EmailSettingsApi(api._client).getInboundSettings())
  assert(later.length > 0, 'no reason is told')
  await within('the session ends', api.destroy())
  say('logout')
}

/** Asks for people by notifications; each outcome comes once, whoever is killed meanwhile. */
async function failover() {
  await begin()
  for (const step of ['first', 'second', 'third']) {
    await sayAndWait(`${step}-before`)
    let count = 0
    const begun = asked('people by a notification', () => api.operations.getUsers({ limit: 3 }, () => (count += 1)))
    assertEqual((await begun).status.code, 1, 'the code of what is begun')
    await until(`the outcome of the ${step} operation`, () => count > 0, PATIENCE_MS)
    say(step)
  }
  await asked('the session ends', () => api.destroy())
  say('logout')
}

/** What went wrong, without what a server or a library may have put into it. */
function inWords(error) {
  const words = [error.name, error.message, error.code, error.response?.text, error.cause?.message]
  const text = words.filter((word) => typeof word === 'string').join(': ')
  return [secret, password].reduce((left, hidden) => left.replaceAll(hidden, '…'), text)
}

try {
  const works = { administrator, failover }
  assert(work in works, 'usage: node e2e/provisioning-api.mjs administrator|failover')
  await works[work]()
  process.exit(0)
} catch (error) {
  console.error(inWords(typeof error === 'string' ? new Error(error) : error))
  process.exit(1)
}
