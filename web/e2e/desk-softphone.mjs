// An agent at the desktop of an installation whose phone is the page itself.

import { openPage } from './browser.mjs'
import { assertEqual, axeFinds, until } from './checks.mjs'
import { hearsInto, recordConnections } from './heard.mjs'
import { answers, panel, press } from './desk-page.mjs'

/** What the browser itself says of answers that are no success, and of a WebSocket that ends with its page. */
const isMeant = (fault) => fault.includes('Failed to load resource') || fault.includes('WebSocket')
const status = (page, state) => page.locator(`[data-agent="${state}"]`).waitFor()
const phone = (page, phase) => page.locator(`[data-phone="${phase}"]`).waitFor()
const HEARD_SECONDS = 5

/**
 * Signs in, takes the own place, whose phone is this browser, answers a call and hears it, loads the page anew and hears it again, hangs up;
 * calls a colleague and hears them, mutes, is not heard, and hangs up. `paths` are the user name and the password of the agent, the number of
 * the colleague, and a folder for what is heard.
 */
export async function deskSoftphone({ browser, link, paths: [user, password, colleague, folder], say }) {
  const { page, faults, close } = await openPage(browser, { width: 1280, height: 720, theme: 'light' })
  await recordConnections(page.context())
  await page.goto(new URL('/desktop', link).href.split('#')[0])
  await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click()
  await page.getByLabel('User name').fill(user)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('You talk through this browser').waitFor()
  await page.getByRole('button', { name: 'Start work' }).click()
  await status(page, 'NotReady')
  await phone(page, 'ready')
  await press(page, 'r')
  await status(page, 'Ready')
  say('ready')
  await answers(page)
  await hearsInto(page, HEARD_SECONDS, `${folder}/caller.wav`)
  await page.locator('[data-quality]').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, in a call of the page')
  say('heard caller')
  await page.reload()
  await panel(page, 'Established').waitFor()
  await phone(page, 'ready')
  await hearsInto(page, HEARD_SECONDS, `${folder}/after.wav`)
  say('heard after')
  await press(page, 'x')
  await page.keyboard.press('x')
  await panel(page, 'Established').waitFor({ state: 'detached' })
  say('hung up')
  await page.keyboard.press('d')
  await page.keyboard.type(colleague)
  await page.keyboard.press('Enter')
  await panel(page, 'Established').waitFor()
  await hearsInto(page, HEARD_SECONDS, `${folder}/colleague.wav`)
  say('heard colleague')
  await page.keyboard.press('m')
  await page.locator('[data-muted="true"]').waitFor()
  // As long as the colleague hears nothing.
  await hearsInto(page, HEARD_SECONDS, `${folder}/muted.wav`)
  await press(page, 'x')
  await page.keyboard.press('x')
  await panel(page, 'Established').waitFor({ state: 'detached' })
  say('hung up muted')
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByText('You are logged out.').waitFor()
  await until('the phone is gone', async () => (await page.locator('[data-phone]').count()) === 0)
  await close()
  assertEqual(faults.filter((fault) => !isMeant(fault)), [], 'faults of the page')
}
