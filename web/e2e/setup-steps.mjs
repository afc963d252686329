// What every task of Agent Setup begins and ends with.

import { openPage } from './browser.mjs'
import { assertEqual } from './checks.mjs'

/** What the browser itself says of an answer that is no success, which here is meant. */
export const isMeant = (fault) => fault.includes('Failed to load resource')

export async function openSetup(browser, link, options) {
  const opened = await openPage(browser, { width: 1280, height: 720, theme: 'light', ...options })
  const { page } = opened
  await page.goto(new URL('/agent-setup/', link).href.split('#')[0])
  await page.getByRole('main').getByRole('link', { name: /^(Sign in|Anmelden)$/ }).click()
  await page.getByRole('link', { name: 'ada.adler', exact: true }).waitFor()
  return opened
}

export async function finish({ faults, close }, allowed = () => false) {
  const bad = faults.filter((fault) => !allowed(fault))
  await close()
  assertEqual(bad, [], 'faults of the page')
}

export const go = (page, path) => page.goto(new URL(path, page.url()).href)
export const review = (page) => page.getByRole('button', { name: 'Review changes' })
export const dialog = (page, name) => page.getByRole('dialog', { name })
export const save = (page) => page.getByRole('dialog').getByRole('button', { name: 'Save', exact: true })
