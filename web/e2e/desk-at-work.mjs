// An agent at the desktop of an installation, whose phones are real ones.

import { openPage } from './browser.mjs'
import { assertEqual, axeFinds } from './checks.mjs'
import { panel, press } from './desk-page.mjs'

/** What the browser itself says of answers that are no success: of a session that has not begun yet. */
const isMeant = (fault) => fault.includes('Failed to load resource')
const status = (page, state) => page.locator(`[data-agent="${state}"]`).waitFor()

/**
 * Signs in, takes the own place, calls a colleague, holds and takes back, loads the page anew during the call, hangs up, has lunch and
 * logs out. `paths` are the user name and the password of the agent, the number of the colleague, and where a picture goes, if anywhere.
 */
export async function deskAtWork({ browser, link, paths: [user, password, colleague, picture], say }) {
  const opened = await openPage(browser, { width: 1280, height: 720, theme: 'light' })
  const { page, faults, close } = opened
  await page.goto(new URL('/desktop', link).href.split('#')[0])
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
  await page.keyboard.press('d')
  await page.keyboard.type(colleague)
  await page.keyboard.press('Enter')
  await panel(page, 'Established').waitFor()
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
