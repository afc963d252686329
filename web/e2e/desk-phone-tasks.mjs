// What agents do at the desktop where the page is the phone, and supervisors for their people.

import { openPhone, becomes } from './phones.mjs'
import { assert, assertEqual, axeFinds, chooseLanguage, chooseTheme, until } from './checks.mjs'
import { heardBy, recordConnections, toneIn } from './heard.mjs'
import { end, openPage } from './browser.mjs'
import { REALM } from '../mock/phones.mjs'
import { answers, panel, press } from './desk-page.mjs'

/** The tone of the fake microphone. */
export const TONE_HZ = 440
const ENOUGH = 2e6
const SECONDS = 3
const CALLER = '7150'
const isMeant = (fault) => fault.includes('Failed to load resource') || fault.includes('WebSocket')
const status = (page, state) => page.locator(`[data-agent="${state}"]`).waitFor()
const phoneIs = (page, phase) => page.locator(`[data-phone="${phase}"]`).waitFor()

async function signedIn(opened, link) {
  const { page } = opened
  await page.goto(new URL('/desktop', link).href.split('#')[0])
  await page.getByRole('main').getByRole('link', { name: /^(Sign in|Anmelden)$/ }).click()
  return opened
}

/** At the place whose phone is this browser, ready. */
async function openWithPhone({ browser, link, mock }) {
  mock.setup.get('dn', '7101').object.encryption = 'dtls'
  const opened = await openPage(browser, { width: 1280, height: 720, theme: 'light' })
  await recordConnections(opened.page.context())
  const { page } = await signedIn(opened, link)
  await page.getByText('You talk through this browser').waitFor()
  await page.getByRole('button', { name: 'Start work' }).click()
  await status(page, 'NotReady')
  await phoneIs(page, 'ready')
  await press(page, 'r')
  await status(page, 'Ready')
  return opened
}

/** Another phone in a browser, which calls the agent. */
async function openCaller({ browser, mock }) {
  const caller = await openPhone(browser, 'sip.js', { url: `ws://${mock.desks.host}/webrtc`, user: CALLER, password: 'x', domain: REALM, replaces: true })
  await becomes(caller.page, 'registered')
  return caller
}

const hears = async (caller) => toneIn(await caller.page.evaluate((seconds) => window.phone.hear(seconds), SECONDS), TONE_HZ) > ENOUGH

async function finish({ faults, close }) {
  await close()
  assertEqual(faults.filter((fault) => !isMeant(fault)), [], 'faults of the page')
}

/** A call rings in the page, is answered there, heard on both sides, muted, and goes on after a lost connection and in a page that is loaded anew. */
export async function deskPhone(given) {
  const opened = await openWithPhone(given)
  const { page } = opened
  const { mock } = given
  assertEqual(await axeFinds(page), [], 'axe, a phone in the page')
  const caller = await openCaller(given)
  await caller.page.evaluate(() => void window.phone.dial('7101'))
  await panel(page, 'Ringing').waitFor()
  await phoneIs(page, 'ready')
  await answers(page)
  await becomes(caller.page, 'talks')
  assert(toneIn(await heardBy(page, SECONDS), TONE_HZ) > ENOUGH, 'the page does not hear its caller')
  assert(await hears(caller), 'the caller does not hear the page')
  assert(!mock.desks.seen.some(({ path }) => path.endsWith('/answer')), 'a phone that is not there was asked to answer')
  await page.getByRole('meter', { name: 'How loud you are' }).waitFor()
  await page.locator('[data-quality="good"]').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, a call in the page')
  await page.keyboard.press('m')
  await page.getByText('You are muted').waitFor()
  await until('the caller hears nobody who is muted', async () => !(await hears(caller)), 30_000)
  await page.keyboard.press('m')
  await page.locator('[data-muted="false"]').waitFor()
  mock.desks.phones.cut('7101')
  await phoneIs(page, 'lost')
  await phoneIs(page, 'ready')
  await until('the audio found its way anew', () => mock.desks.phones.seen.filter(({ method, from }) => method === 'INVITE' && from === '7101').length > 0)
  await until('the caller hears the page that was offline', () => hears(caller))
  await page.keyboard.press('m')
  await page.getByText('You are muted').waitFor()
  await page.reload()
  await panel(page, 'Established').waitFor()
  await until('the page takes its own place', () => mock.desks.phones.seen.some(({ replaces }) => replaces !== ''))
  await page.getByText('You are muted').waitFor()
  assert(!(await hears(caller)), 'who was muted is heard after the page was loaded anew')
  await page.keyboard.press('m')
  assert(toneIn(await heardBy(page, SECONDS), TONE_HZ) > ENOUGH, 'the page that was loaded anew does not hear its caller')
  await until('the caller hears the page that was loaded anew', () => hears(caller))
  await caller.page.evaluate(() => window.phone.hangUp())
  await panel(page, 'Established').waitFor({ state: 'detached' })
  await page.getByText('Ready for calls').waitFor()
  await answeredElsewhere(page, caller)
  await caller.close()
  await finish(opened)
}

/** On another page of the tab it rings, too, and is answered, muted and hung up there. */
async function answeredElsewhere(page, caller) {
  await page.keyboard.press('g')
  await page.keyboard.press('a')
  await caller.page.evaluate(() => void window.phone.dial('7101'))
  const strip = page.locator('[data-strip]')
  await strip.getByText(`A call from ${CALLER} rings.`).waitFor()
  assertEqual(await axeFinds(page), [], 'axe, it rings on another page')
  await strip.getByRole('button', { name: /^Answer: / }).click()
  await becomes(caller.page, 'talks')
  await strip.getByRole('button', { name: 'Mute' }).click()
  await strip.getByText('You are muted').waitFor()
  await strip.getByRole('button', { name: /^Hang up: / }).click()
  await strip.waitFor({ state: 'detached' })
}

/** One tab is the phone; the next one takes over when it is closed. What is chosen of devices is kept. */
export async function deskPhoneTabs(given) {
  const opened = await openWithPhone(given)
  const { page } = opened
  const other = await page.context().newPage()
  await other.goto(page.url())
  await phoneIs(other, 'elsewhere')
  assertEqual(await axeFinds(other), [], 'axe, the phone is elsewhere')
  await page.getByRole('button', { name: 'Headset and sound' }).click()
  const microphone = page.getByLabel('Microphone')
  await until('the fake devices are there', async () => (await microphone.locator('option').count()) > 1)
  await microphone.selectOption({ index: 1 })
  await page.locator('[data-devices$="chosen"]').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, devices')
  await end(page)
  await phoneIs(other, 'ready')
  await other.locator('[data-devices$="chosen"]').waitFor()
  await finish(opened)
}

/** A person who does not give the microphone reads what to do, and goes on once it is given. */
export async function deskPhoneDenied({ browser, link, mock }) {
  mock.setup.get('dn', '7101').object.encryption = 'dtls'
  const opened = await openPage(browser, { width: 1280, height: 720, theme: 'light' })
  const { page } = opened
  await page.context().addInitScript(() => {
    const own = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
    navigator.mediaDevices.getUserMedia = (wanted) => (window.isDenied === false ? own(wanted) : Promise.reject(new DOMException('no', 'NotAllowedError')))
  })
  await signedIn(opened, link)
  await page.getByRole('button', { name: 'Start work' }).click()
  await page.getByText('Allow it beside the page’s address').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, no microphone')
  await page.evaluate(() => {
    window.isDenied = false
  })
  await page.getByRole('button', { name: 'Try again' }).click()
  await phoneIs(page, 'ready')
  await finish(opened)
}

/** A supervisor sees who does what, listens, sets states; also without a place, on a phone's width, in German. */
export async function deskTeam({ browser, link, mock }) {
  const { page, ...rest } = await signedIn(await openPage(browser, { width: 1280, height: 720, theme: 'light' }), link)
  await page.getByRole('button', { name: 'My team' }).click()
  const team = page.getByRole('region', { name: 'My team', exact: true })
  await team.locator('[data-member="talking"]').first().waitFor()
  await team.locator('[data-member="ready"]').first().getByRole('button').click()
  await page.getByText('To listen, choose your place first.').waitFor()
  await page.getByRole('button', { name: 'Start work' }).click()
  await status(page, 'NotReady')
  const talking = team.locator('[data-member="talking"]').first()
  await talking.getByRole('button').click()
  await page.getByRole('button', { name: 'Whisper' }).click()
  const asked = await until('the agent is monitored', () => mock.desks.seen.find(({ path }) => path.endsWith('start-monitoring')))
  assertEqual([asked.data.monitoringMode, asked.data.monitoringNextCallType], ['Coach', 'Current'], 'how')
  await page.getByRole('button', { name: 'Set not ready' }).click()
  await until('the state is asked for', () => mock.desks.seen.some(({ path }) => /^users\/\d+\/voice\/not-ready$/.test(path)))
  await page.getByRole('button', { name: 'Log out', exact: true }).last().click()
  mock.desks.team.failsLater = true
  await page.getByRole('button', { name: /^Log .* out now$/ }).click()
  await until('the logout is asked for', () => mock.desks.seen.some(({ path }) => /^users\/\d+\/voice\/logout$/.test(path)))
  // What was accepted and fails afterwards is said, with whom it was about.
  await page.getByText(/^Log out \(.+\) did not work: /).waitFor()
  mock.desks.team.failsLater = false
  await page.getByRole('button', { name: /^Close: Log out/ }).click()
  await page.getByLabel('Group').selectOption({ index: 1 })
  await page.getByRole('region', { name: 'Waiting' }).getByText('sales').first().waitFor()
  for (const theme of ['dark', 'contrast', 'light']) {
    await chooseTheme(page, theme)
    assertEqual(await axeFinds(page), [], `axe, the team, ${theme}`)
  }
  await waits(page, mock)
  mock.desks.team.isAway = true
  await page.getByText(/^(The numbers are old|The team cannot be shown)/).waitFor()
  mock.desks.team.isAway = false
  await page.setViewportSize({ width: 400, height: 800 })
  assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it scrolls sideways on a narrow screen')
  await page.setViewportSize({ width: 1280, height: 720 })
  await chooseLanguage(page, 'de')
  await page.getByRole('button', { name: 'Mein Team' }).click()
  await page.getByRole('region', { name: 'Mein Team', exact: true }).locator('[data-member]').first().waitFor()
  assertEqual(await axeFinds(page), [], 'axe, the team, German')
  await finish(rest)
}

/** Why a call waits, by keys; it is sent to a colleague who is found by name. */
async function waits(page, mock) {
  const waiting = page.getByRole('region', { name: 'Calls that wait' })
  const [first] = mock.desks.team.waiting
  await waiting.locator(`[data-waits="${first.id}"]`).getByRole('button').press('Enter')
  const why = page.locator(`[data-why-waits="${first.id}"]`)
  for (const words of ['It asks for French 4 or more, with priority 3.', 'None of the 3 who have the skills can take it.', '2: on a call', '5: lacks the skills']) await why.getByText(words).waitFor()
  assertEqual(await axeFinds(page), [], 'axe, why a call waits')
  await why.getByRole('button', { name: 'Move it' }).press('Enter')
  await page.keyboard.type('ben')
  await page.getByRole('listbox').getByRole('option').getByText('Ben Adler').waitFor()
  await page.keyboard.press('Enter')
  const asked = await until('the call is moved', () => mock.desks.seen.find(({ path }) => path === `supervisor/waiting-calls/${first.id}/move`))
  assertEqual(asked.data.destination, '7102', 'where it goes')
  await why.getByText('It does not wait any more.').waitFor()
  await why.getByRole('button', { name: 'Close' }).press('Enter')
  await waiting.locator(`[data-waits="${first.id}"]`).waitFor({ state: 'detached' })
}

/** Of a large team those at work come first, all are counted, and those who are not shown are found by state and by name. */
export async function deskLargeTeam({ browser, link, mock }) {
  const { page, ...rest } = await signedIn(await openPage(browser, { width: 1280, height: 720, theme: 'light' }), link)
  await page.getByRole('button', { name: 'My team' }).click()
  const team = page.getByRole('region', { name: 'My team', exact: true })
  await team.getByText(/^100 of \d+ are shown/).waitFor()
  assertEqual(await team.locator('[data-member="loggedOut"]').count(), 0, 'those who are logged out, before all others are shown')
  // Each fifth of them is ready, and each fifth is logged out.
  const count = Math.floor(mock.setup.all('person').filter(({ agent }) => agent !== null).length / 5)
  await team.getByText(new RegExp(`^(${count}|${count + 1}) ready, `)).waitFor()
  await team.getByLabel('State').selectOption('talking')
  await until('those alone who talk are shown', async () => (await team.locator('[data-member]').count()) === (await team.locator('[data-member="talking"]').count()))
  await team.getByLabel('State').selectOption('loggedOut')
  await team.locator('[data-member="loggedOut"]').first().waitFor()
  assertEqual(await axeFinds(page), [], 'axe, those of a state')
  await team.getByLabel('State').selectOption('')
  await team.getByLabel('Find somebody of the team').fill('nobody at all')
  await team.getByText('Nobody of that name is in this group.').waitFor()
  await team.getByLabel('Find somebody of the team').fill('ben')
  await team.locator('[data-member]').getByText(/^Ben /).first().waitFor()
  await until('others are left out', async () => (await team.locator('[data-member]').count()) < 100)
  assertEqual(await axeFinds(page), [], 'axe, somebody of a large team')
  await team.getByLabel('Find somebody of the team').press('Escape')
  await team.getByText(/^100 of \d+ are shown/).waitFor()
  await finish(rest)
}
