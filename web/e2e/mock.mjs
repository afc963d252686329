// Every task against the mock server, and what only the mock can do at a certain moment.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startMock, TOKEN } from '../mock/server.mjs'
import { end, openPage, startBrowser } from './browser.mjs'
import { assert, until, within } from './checks.mjs'
import * as deskPhones from './desk-phone-tasks.mjs'
import * as desk from './desk-tasks.mjs'
import * as deskTeam from './desk-team-tasks.mjs'
import { wavOf } from './heard.mjs'
import * as tasks from './tasks.mjs'
import { callOfTheMock, refusedDialog, runningCall } from '../mock/traces.mjs'

// Every page has a microphone, which says a tone.
const folder = mkdtempSync(join(tmpdir(), 'trunkline-e2e-'))
const microphone = join(folder, 'microphone.wav')
writeFileSync(microphone, wavOf(Array.from({ length: 60 * 8_000 }, (_, n) => Math.sin((2 * Math.PI * deskPhones.TONE_HZ * n) / 8_000) * 6_000), 8_000))
process.env.TRUNKLINE_MICROPHONE ??= microphone
const browser = await startBrowser()
let failed = 0

/** With words behind it, those tasks alone whose names have them. */
const wanted = process.argv.slice(2).join(' ')

/** How long a task may take: what waits for ever is to fail by its name. */
const TASK_MS = 25 * 60_000

async function run(name, options, task) {
  if (!name.includes(wanted)) return
  const mock = await startMock(options)
  const began = Date.now()
  try {
    const running = task({ mock, browser, link: `${mock.url}/#token=${TOKEN}&tenant=example`, say: () => undefined, paths: ['/', '/topology', '/trace', `/trace/${callOfTheMock}`] })
    await within(TASK_MS, name, running)
    console.log(`ok      ${name} (${Date.now() - began} ms)`)
  } catch (error) {
    failed += 1
    console.log(`FAILED  ${name}: ${error instanceof Error ? error.stack : error}`)
  } finally {
    await end(mock)
  }
}

const small = { agents: 12, queues: 2, callsPerSecond: 3, talkMs: 2_000 }
await run('numbers move', small, tasks.numbers)
await run('accessible', small, tasks.accessible)
await run('a list of 3,000 agents', { ...small, agents: 3_000 }, tasks.longList)
await run('languages', small, tasks.languages)
await run('keyboard', small, tasks.keyboard)
await run('topology', small, tasks.topology)
await run('a trace', small, tasks.traced)
await run('a refused token', small, tasks.refused)
await run('a new tab', small, tasks.newTab)
await run('numbers fit', { agents: 12, queues: 4, callsPerSecond: 0.01, inTime: 1, name: 'Consolidated Example Company of Very Long Names and Still Longer Ones, Limited' }, tasks.fits)
for (const [queues, waiting, locale] of [[4, 88, 'en'], [18, 88, 'en'], [4, 1_000, 'en'], [18, 1_000, 'en'], [4, 88, 'de'], [18, 88, 'de']]) {
  await run(`numbers fit when ${waiting} wait for long, ${queues} queues, ${locale}`, { agents: 0, queues, callsPerSecond: 0.01, inTime: 1 }, ({ mock, ...rest }) => {
    const since = Date.now() - 754_000
    for (const queue of mock.centre.queues) queue.waiting = Array.from({ length: waiting }, () => ({ since, patience: since + 3_600_000 }))
    return tasks.fits({ ...rest, locale })
  })
}
for (const queues of [1, 4, 12, 20]) {
  await run(`key numbers can be read from five metres, ${queues} queues`, { agents: 200, queues, callsPerSecond: 4, inTime: 1 }, tasks.legible)
}
for (const [name, task] of [
  ['a person by keyboard alone', tasks.setupByKeyboard],
  ['faults at their fields', tasks.setupFaults],
  ['a conflict', tasks.setupConflict],
  ['a table of people', tasks.setupTable],
  ['a change taken back', tasks.setupHistory],
  ['what is used, and what is deleted', tasks.setupDelete],
  ['several people at once', tasks.setupBulk],
  ['several people by keyboard alone', tasks.setupBulkByKeyboard],
  ['the tenant’s own settings', tasks.setupTenant],
  ['dial rules and their order', tasks.setupDialRules],
  ['groups, and several deleted at once', tasks.setupGroups],
  ['reasons for being not ready', tasks.setupReasons],
  ['lists by their sections', tasks.setupLookups],
  ['business attributes', tasks.setupAttributes],
  ['groups of places', tasks.setupPlaceGroups],
  ['groups of DNs', tasks.setupDnGroups],
  ['transactions', tasks.setupTransactions],
  ['IVR profiles', tasks.setupIvrProfiles],
  ['statistics of the tenant', tasks.setupStatistics],
  ['API keys', tasks.setupApiKeys],
  ['who has signed in', tasks.setupSignIns],
  ['the server away, the session over', tasks.setupOutage],
  ['who may not', tasks.setupNotAllowed],
  ['who looks after folders alone', tasks.setupOfFolders],
  ['who only reads', tasks.setupOfReaders],
  ['every page accessible', tasks.setupAccessible],
]) {
  await run(`agent setup: ${name}`, small, task)
}
await run('agent setup: the network away while hundreds are changed', { ...small, people: 450 }, tasks.setupBulkOutage)
for (const [name, task] of [
  ['calls by keyboard alone', desk.deskByKeyboard],
  ['several calls', desk.deskSeveralCalls],
  ['data of a call', desk.deskData],
  ['offline and back', desk.deskOffline],
  ['a page loaded again, a session that is over', desk.deskGoesOn],
  ['what does not work', desk.deskTroubles],
  ['ready, and no calls come', desk.deskNoCalls],
  ['places, and who may not', desk.deskPlaces],
  ['a colleague is found, with whether they can talk', deskTeam.deskDirectory],
  ['favourites and recent calls', deskTeam.deskFavourites],
  ['contacts', deskTeam.deskContacts],
  ['own numbers', deskTeam.deskNumbers],
  ['a call is parked', deskTeam.deskPark],
  ['what was before a call, and a conference', deskTeam.deskCourse],
  ['the end of after-call work', deskTeam.deskWrapUp],
  ['why a call has come, and the page about its caller', deskTeam.deskScreenPop],
  ['links to numbers', deskTeam.deskDialLink],
  ['inside the page of a CRM', deskTeam.deskInCrm],
  ['what only stands beside calls is away', deskTeam.deskTeamAway],
  ['who and what stands beside calls is accessible', deskTeam.deskTeamAccessible],
  ['the page is the phone', deskPhones.deskPhone],
  ['one tab is the phone, by the devices that were chosen', deskPhones.deskPhoneTabs],
  ['no microphone', deskPhones.deskPhoneDenied],
  ['a supervisor’s people', deskPhones.deskTeam],
  ['every page accessible', desk.deskAccessible],
]) {
  await run(`desktop: ${name}`, small, task)
}
await run('desktop: a large team', { ...small, people: 450 }, deskPhones.deskLargeTeam)
await run('a list that is old', small, ({ mock, ...rest }) => tasks.oldList({ ...rest, say: () => void mock.close() }))

await run('a message of a running call stays open', small, async ({ mock, link }) => {
  const { page, close } = await openPage(browser)
  await page.goto(link.replace('/#', `/trace/${runningCall}#`))
  await page.getByRole('button', { name: /INVITE from/ }).first().click()
  await page.locator('pre').waitFor()
  const looks = () => mock.seen.filter((request) => request.path.endsWith(runningCall)).length
  const before = looks()
  await until('it is asked for again', () => looks() >= before + 3)
  assert((await page.locator('pre').count()) === 1, 'the message has closed itself')
  await close()
})

await run('a dialog that never became a call', small, async ({ link }) => {
  const { page, close } = await openPage(browser)
  await page.goto(link.replace('/#', `/trace/${encodeURIComponent(refusedDialog)}#`))
  await page.getByRole('heading', { name: `Call ${refusedDialog}` }).waitFor()
  // The heading is there before what it is about.
  await page.getByText('it never became a call').first().waitFor()
  const words = await page.locator('main').innerText()
  for (const expected of ['it never became a call', 'No application ran for this call.', '+0.000']) assert(words.includes(expected), `${expected} is not in ${words}`)
  assert(!words.includes('1970'), words)
  await close()
})

await run('a token that names no tenant, and one that cannot be read', small, async ({ mock }) => {
  const { page, close } = await openPage(browser)
  const any = `h.${Buffer.from(JSON.stringify({ tenant: '*' })).toString('base64url')}.s`
  await page.goto(`${mock.url}/#token=${any}`)
  await page.getByText('The token is good for every tenant').waitFor()
  await page.getByLabel('Tenant').fill('example')
  await page.getByRole('button', { name: 'Open' }).click()
  // The mock knows one token alone; that it is asked at all says that the tenant was taken.
  await page.getByText('The server refuses the token').waitFor()
  await page.goto(`${mock.url}/#token=abc`)
  await page.getByText('it cannot be read').waitFor()
  await close()
})

await run('a lost connection is said and ends', small, async ({ mock, ...rest }) => {
  const { port } = new URL(mock.url)
  let next
  await tasks.outage({
    ...rest,
    say: (words) => {
      if (words === 'ready') void mock.close()
      if (words === 'lost') next = startMock({ ...small, port: Number(port) })
    },
  })
  const again = await next
  assert(again.seen.some((request) => request.lastEventId !== undefined), 'it did not say where it was')
  await again.close()
})

await run('a token that ends while the wall runs', small, async ({ mock, link }) => {
  const { page, close } = await openPage(browser)
  await page.goto(link)
  await page.getByText('Live', { exact: true }).waitFor()
  mock.refuseTokens()
  mock.cut()
  await page.getByText('The server no longer accepts the token.').waitFor()
  await close()
})

await run('1,000 agents and 50 changes a second stay smooth', { agents: 1_000, queues: 8, callsPerSecond: 17, talkMs: 20_000 }, async ({ link }) => {
  const { page, close } = await openPage(browser)
  await page.goto(link)
  await page.getByText('Live', { exact: true }).waitFor()
  const count = () => page.evaluate(() => window.__latency?.length ?? 0)
  await until('120 changes are painted', async () => (await count()) >= 120, 60_000)
  const latency = await page.evaluate(() => [...window.__latency].sort((a, b) => a - b))
  const p = (share) => latency[Math.floor(latency.length * share)]
  console.log(`        from change to paint: p50 ${p(0.5)} ms, p99 ${p(0.99)} ms, ${latency.length} changes`)
  assert(await page.evaluate(() => document.documentElement.scrollHeight <= innerHeight), 'the wall scrolls')
  await close()
})

await end(browser)
rmSync(folder, { recursive: true, force: true })
process.exit(failed === 0 ? 0 : 1)
