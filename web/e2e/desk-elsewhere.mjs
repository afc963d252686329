// An agent at the desktop of an installation, whose page is the phone: a newcomer, on a machine that sleeps, on another network, on two machines at
// once.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { end, localhostOf, openPage, startBrowser } from './browser.mjs'
import { assert, assertEqual, until } from './checks.mjs'
import { beginsToWork, hangsUp, hasNoCall, isCutOff, isMeant, logsOut, phone, putsAway, status } from './desk-day.mjs'
import { answers, panel, press } from './desk-page.mjs'
import { comesToHear, heardBy, recordConnections } from './heard.mjs'

/** What agent and caller say, as the test has it. */
const TONES = [440, 1_750]
const CALLER = 1_750
const TOLD_WITHIN_MS = 240_000
/** Longer than the silence after which a phone is asked whether it is there, and than it is waited for an answer; and than the grace alone. */
const SLEEP_MS = 40_000
/** From the opened link to a caller's voice. */
const NEWCOMER_MS = 120_000
/** The least mean square of a sample where somebody is heard: that of a tone of 6,000 is 18 million. */
const LOUD = 1e5
const HEARD_SECONDS = 3

const hears = (page, words) => comesToHear(page, [CALLER], TONES, words)
/** What a task waits for in its folder, behind the step of that name. */
const pauses = (folder, say) => async (step) => {
  say(step)
  await until(`the word to go on behind ${step}`, () => existsSync(`${folder}/${step}`), TOLD_WITHIN_MS)
}
const hasNoFaults = (faults) => assertEqual(faults.filter((fault) => !isMeant(fault)), [], 'faults of the page')

/** Ready for the next call of the queue, which the test makes now; it is answered, and the caller heard. */
async function takes(page, say) {
  await press(page, 'r')
  await status(page, 'Ready')
  say('ready')
  await answers(page)
  await hears(page, 'the agent hears the caller')
}

/**
 * Somebody who knows what the demo prints, and no more, opens the link to the desktop, signs in, starts work, goes ready, and hears a robot that
 * calls. `paths` are user name and password, as they are printed.
 */
export async function newcomer({ browser, link, paths: person, say }) {
  const began = Date.now()
  const { page, faults, close } = await beginsToWork(browser, link, person)
  await press(page, 'r')
  await status(page, 'Ready')
  say('ready')
  await answers(page)
  const samples = await heardBy(page, HEARD_SECONDS)
  const took = Date.now() - began
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length
  assert(power > LOUD, `nobody is heard: ${power}`)
  assert(took < NEWCOMER_MS, `it took ${took} ms to hear a caller`)
  say(`heard after ${took} ms`)
  await close()
  hasNoFaults(faults)
}

// === a machine that sleeps ===

/** The processes that descend from one. */
function processesBelow(root) {
  const parentOf = (pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
    } catch {
      // It has ended meanwhile.
      return 0
    }
  }
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number)
  const parents = new Map(pids.map((pid) => [pid, parentOf(pid)]))
  const isBelow = (pid) => {
    const parent = parents.get(pid) ?? 0
    return parent > 1 && (parent === root || isBelow(parent))
  }
  return pids.filter(isBelow)
}

/** Chromium with all that belongs to it stands still, as by a closed lid: its connections stay open, and it answers nothing. */
async function sleeps(pause, word) {
  const all = processesBelow(process.pid)
  assert(all.length > 1, 'no process of the browser is found')
  const tell = (signal) => {
    for (const pid of all) {
      try {
        process.kill(pid, signal)
      } catch {
        // It has ended meanwhile.
      }
    }
  }
  const awake = new Promise((resolve) => setTimeout(resolve, SLEEP_MS))
  tell('SIGSTOP')
  try {
    await pause(word)
    await awake
  } finally {
    tell('SIGCONT')
  }
}

/**
 * The machine sleeps in a call, which goes on with what was told meanwhile; it sleeps once more, and the caller goes. `paths` are a folder, and user
 * name and password of the agent.
 */
export async function deskAsleep({ browser, link, paths: [folder, ...person], say }) {
  const pause = pauses(folder, say)
  const { page, faults, close } = await beginsToWork(browser, link, person)
  await takes(page, say)
  await pause('taken')
  await sleeps(pause, 'asleep')
  const ticket = panel(page, 'Established').getByLabel('Ticket')
  await until('what was told meanwhile is there', async () => (await ticket.inputValue()) === 'asleep')
  await phone(page, 'ready')
  await hears(page, 'the agent hears the caller after the sleep')
  await pause('awake')
  await sleeps(pause, 'gone')
  const note = page.locator('[data-connection="missed"]')
  await note.waitFor()
  const missed = await note.innerText()
  assert(/The call with \S+ has ended\./.test(missed), `the end of the call is not in ${missed}`)
  await panel(page, 'Established').waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'I have read it' }).click()
  await putsAway(page)
  await logsOut(page)
  await close()
  hasNoFaults(faults)
}

// === another network ===

/** What names the ways of the call's audio, of either side: ICE finds them anew under other names (RFC 8839 section 4.4.1.1.1). */
const waysOf = (page) =>
  page.evaluate(() => {
    const connection = window.connections.at(-1)
    const nameIn = (description) => /a=ice-ufrag:(\S+)/.exec(description?.sdp ?? '')?.[1]
    return [nameIn(connection.localDescription), nameIn(connection.remoteDescription)]
  })

/** The network is another one in a call: the phone has another connection, and its audio another way. `paths` as of `deskAsleep`. */
export async function deskOnAnotherNetwork({ browser, link, paths: [folder, ...person], say }) {
  const pause = pauses(folder, say)
  const { page, faults, close } = await beginsToWork(browser, link, person)
  await takes(page, say)
  await pause('taken')
  const before = await waysOf(page)
  assert(before.every((name) => name !== undefined), `the ways of the audio have no names: ${before}`)
  await isCutOff(page, pause, 'cut')
  const another = page.waitForEvent('websocket')
  await page.context().setOffline(false)
  await another
  await phone(page, 'ready')
  await until('the audio has another way on both sides', async () => (await waysOf(page)).every((name, side) => name !== undefined && name !== before[side]))
  await hears(page, 'the agent hears the caller by another way')
  await pause('elsewhere')
  await hangsUp(page)
  await logsOut(page)
  await close()
  hasNoFaults(faults)
}

// === two machines ===

/** Signs in on another machine, where the work goes on that has begun. */
async function goesOn(browser, link, [user, password]) {
  const opened = await openPage(browser, { width: 1280, height: 720, theme: 'light' })
  const { page } = opened
  await recordConnections(page.context())
  await page.goto(new URL('/desktop', link).href.split('#')[0])
  await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click()
  await page.getByLabel('User name').fill(user)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  const starts = page.getByRole('button', { name: 'Start work' })
  await page.locator('[data-agent]').or(starts).first().waitFor()
  if (await starts.isVisible()) await starts.click()
  await status(page, 'NotReady')
  return opened
}

/**
 * An agent is signed in on two machines: what is done on one of them is seen on the other, states and calls alike. `paths` as of `deskAsleep`; in the
 * folder is the microphone of the other machine.
 */
export async function deskOnTwoMachines({ browser, link, paths: [folder, ...person], say }) {
  const pause = pauses(folder, say)
  const other = await startBrowser(localhostOf(link), `${folder}/other.wav`)
  try {
    const begun = await beginsToWork(other, link, person)
    // The phone that has registered last is the one that rings.
    const opened = [await goesOn(browser, link, person), begun]
    const pages = opened.map(({ page }) => page)
    const [desk, laptop] = pages
    await phone(desk, 'ready')
    const both = (shows) => Promise.all(pages.map(shows))
    await press(desk, 'r')
    await both((page) => status(page, 'Ready'))
    await laptop.keyboard.press('n')
    await laptop.getByRole('group', { name: 'Why are you not ready?' }).getByRole('button', { name: 'Lunch' }).click()
    await both((page) => page.getByRole('region', { name: 'My status' }).getByText('Lunch break', { exact: true }).waitFor())
    await press(laptop, 'r')
    await both((page) => status(page, 'Ready'))
    say('ready')
    await both((page) => panel(page, 'Ringing').waitFor())
    await answers(desk)
    await both((page) => panel(page, 'Established').waitFor())
    const [named, alike] = await both((page) => panel(page, 'Established').getAttribute('aria-label'))
    assertEqual(alike, named, 'whose call it is')
    await hears(desk, 'the machine that rings hears the caller')
    await pause('taken')
    await press(laptop, 'h')
    await both((page) => panel(page, 'Held').waitFor())
    await press(desk, 'h')
    await both((page) => panel(page, 'Established').waitFor())
    await hears(desk, 'the caller is heard again')
    await pause('retrieved')
    await Promise.all([hangsUp(desk), panel(laptop, 'Established').waitFor({ state: 'detached' })])
    if (await panel(laptop, 'Released').isVisible()) await putsAway(laptop)
    await both(hasNoCall)
    await Promise.all(opened.map(({ close }) => close()))
    opened.forEach(({ faults }) => hasNoFaults(faults))
  } finally {
    await end(other)
  }
}
