// An agent at the desktop of an installation, whose phones are real ones.

import { existsSync } from 'node:fs'
import { openPage } from './browser.mjs'
import { assert, assertEqual, axeFinds, until } from './checks.mjs'
import { isCutOff } from './desk-day.mjs'
import { panel, press } from './desk-page.mjs'

/** What the browser itself says of answers that are no success: of a session that has not begun yet. */
const isMeant = (fault) => fault.includes('Failed to load resource')
const status = (page, state) => page.locator(`[data-agent="${state}"]`).waitFor()

/** So soon the page is right again, the best of some times: a second on a machine that does nothing else, which tests do not have. */
const RIGHT_MS = 5_000
const TIMES = 3
/** The longest that the network is away. */
const OFFLINE_MS = 60_000
const TOLD_WITHIN_MS = 240_000

/**
 * Signs in, takes the own place, calls a colleague, holds and takes back, loads the page anew during the call, hangs up, has lunch and
 * logs out. `paths` are the user name and the password of the agent, the number of the colleague, and where a picture goes, if anywhere.
 */
export async function deskAtWork({ browser, link, paths: [user, password, colleague, picture], say }) {
  const { page, faults, close } = await isReady(browser, link, user, password, say)
  await calls(page, colleague)
  assertEqual(await axeFinds(page), [], 'axe, in a call')
  if (picture !== undefined) await page.screenshot({ path: picture })
  say('in a call')
  await press(page, 'h')
  await panel(page, 'Held').waitFor()
  await page.reload()
  await panel(page, 'Held').waitFor()
  say('reloaded')
  await press(page, 'h')
  await panel(page, 'Established').waitFor()
  await press(page, 'x')
  await page.keyboard.press('x')
  await panel(page, 'Established').waitFor({ state: 'detached' })
  say('hung up')
  await page.keyboard.press('n')
  await page.getByRole('button', { name: 'Lunch' }).first().click()
  await status(page, 'NotReady')
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByText('You are logged out.').waitFor()
  await close()
  assertEqual(faults.filter((fault) => !isMeant(fault)), [], 'faults of the page')
}

/** Signs in, takes the own place and goes ready. */
async function isReady(browser, link, user, password, say) {
  const opened = await openPage(browser, { width: 1280, height: 720, theme: 'light' })
  const { page } = opened
  await page.goto(desktopOf(link))
  await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click()
  await page.getByLabel('User name').fill(user)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('button', { name: 'Start work' }).click()
  await status(page, 'NotReady')
  say('at work')
  await press(page, 'r')
  await status(page, 'Ready')
  say('ready')
  return opened
}

const desktopOf = (link) => new URL('/desktop', link).href.split('#')[0]

async function calls(page, colleague) {
  await page.keyboard.press('d')
  await page.keyboard.type(colleague)
  await page.keyboard.press('Enter')
  await panel(page, 'Established').waitFor()
}

/** How long it takes from what is begun until the page is right. */
async function tookUntil(isRight, begin) {
  const began = Date.now()
  await begin()
  await until('the page is right', isRight)
  return Date.now() - began
}

/**
 * The network is away, for a minute the first time, and each time something is told of the call meanwhile; the page is loaded anew; it crashes. Each
 * time the panel is right again soon. At words the task goes on once a file of that name is in the folder. `paths` are the user name and the password
 * of the agent, the number of the colleague, and the folder.
 */
export async function deskRightAgain({ browser, link, paths: [user, password, colleague, folder], say }) {
  const { page: first, faults, close } = await isReady(browser, link, user, password, say)
  let [page, told] = [first, '']
  await calls(page, colleague)
  const pause = async (step) => {
    say(step)
    await until(`the word to go on behind ${step}`, () => existsSync(`${folder}/${step}`), TOLD_WITHIN_MS)
  }
  const isRight = async () => (await panel(page, 'Established').getByLabel('Ticket').inputValue()) === told
  const network = []
  for (const [word, ms] of [['minute', OFFLINE_MS], ['again', 0], ['once-more', 0]]) {
    told = word
    await isCutOff(page, pause, word)
    await new Promise((resolve) => setTimeout(resolve, ms))
    network.push(await tookUntil(isRight, () => page.context().setOffline(false)))
  }
  const [reload, crash] = [[], []]
  for (let time = 0; time < TIMES; time += 1) reload.push(await tookUntil(isRight, () => page.reload({ waitUntil: 'commit' })))
  assertEqual(faults.filter((fault) => !isMeant(fault) && !fault.includes('WebSocket')), [], 'faults of the page')
  for (let time = 0; time < TIMES; time += 1) {
    const crashed = page.waitForEvent('crash')
    page.goto('chrome://crash').catch(() => undefined)
    await crashed
    page = await first.context().newPage()
    crash.push(await tookUntil(isRight, () => page.goto(desktopOf(link), { waitUntil: 'commit' })))
  }
  for (const [what, all] of Object.entries({ network, reload, crash })) assert(Math.min(...all) <= RIGHT_MS, `the page is right ${all.join(', ')} ms after: ${what}`)
  say(`right after ${JSON.stringify({ network, reload, crash })}`)
  await close()
}
