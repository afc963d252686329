// Passkeys at the pages of the sign-in, with an authenticator that Chromium plays itself (CDP, domain WebAuthn).

import { openPage } from './browser.mjs'
import { assert, assertEqual, axeFinds, until } from './checks.mjs'

/** Where browsers make passkeys: a name. `localhost` leads to the installation here. */
const hereOf = (link) => `http://localhost:${new URL(link).port}`

async function withAuthenticator(page) {
  const session = await page.context().newCDPSession(page)
  await session.send('WebAuthn.enable')
  const options = { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true }
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', { options: { ...options, automaticPresenceSimulation: true } })
  return async () => (await session.send('WebAuthn.getCredentials', { authenticatorId })).credentials
}

async function passwordOf(page, user, password) {
  await page.getByLabel('User name').fill(user)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

/** Somebody makes a passkey, shows it after the password, and then signs in by it alone. `paths` are the user name and the password. */
export async function passkey({ browser, link, paths: [user, password] }) {
  const { page, faults, close } = await openPage(browser, { width: 1280, height: 720, theme: 'light' })
  const kept = await withAuthenticator(page)
  const go = (path) => page.goto(`${hereOf(link)}/auth/v3${path}`)
  const isSignedIn = () => page.getByRole('heading', { name: 'You are signed in' }).waitFor()
  const forget = () => page.context().clearCookies()

  await go('/sign-in?then=second-factor')
  await passwordOf(page, user, password)
  await page.getByLabel('Name of the passkey').fill('Laptop')
  await page.getByRole('button', { name: 'Add a passkey' }).click()
  await page.getByRole('heading', { name: 'Your recovery codes' }).waitFor()
  assertEqual((await kept()).length, 1, 'passkeys of the authenticator')
  await page.getByRole('link', { name: 'Go on' }).click()
  await page.getByRole('button', { name: 'Remove Laptop' }).waitFor()

  await forget()
  await go('/sign-in')
  await passwordOf(page, user, password)
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await isSignedIn()

  await forget()
  await go('/sign-in')
  await page.getByRole('link', { name: 'Sign in with a passkey' }).click()
  // The page asks by itself.
  await isSignedIn()
  await until('the authenticator has counted', async () => (await kept())[0].signCount >= 2)
  const bad = faults.filter((fault) => !fault.includes('Failed to load resource'))
  await close()
  assert(bad.length === 0, `faults of the pages: ${bad.join(', ')}`)
}

/** Somebody who must have a second factor makes a passkey at the sign-in, by keyboard alone, and then signs in with it. `paths` are the user name and the password. */
export async function firstPasskey({ browser, link, paths: [user, password] }) {
  const { page, faults, close } = await openPage(browser, { width: 1280, height: 720, theme: 'light' })
  const kept = await withAuthenticator(page)
  const signIn = async () => {
    await page.context().clearCookies()
    await page.goto(`${hereOf(link)}/auth/v3/sign-in`)
    await passwordOf(page, user, password)
  }
  const isSignedIn = () => page.getByRole('heading', { name: 'You are signed in' }).waitFor()

  await signIn()
  await page.getByRole('heading', { name: 'Set up a second factor' }).waitFor()
  for (const name of ['A passkey', 'An authenticator app']) await page.getByRole('heading', { name }).waitFor()
  assertEqual(await axeFinds(page), [], 'axe, the choice of a second factor')
  // The first thing that the key Tab reaches, and the button behind it.
  await page.keyboard.press('Tab')
  const reached = await page.evaluate(() => document.activeElement?.id)
  assertEqual(reached, 'passkey-name', 'what Tab reaches first')
  await page.keyboard.type('Laptop')
  await page.keyboard.press('Tab')
  const button = await page.evaluate(() => document.activeElement?.textContent)
  assertEqual(button, 'Add a passkey and sign in', 'what Tab reaches then')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Your recovery codes' }).waitFor()
  assertEqual(await page.locator('li code').count(), 10, 'recovery codes')
  assertEqual((await kept()).length, 1, 'passkeys of the authenticator')
  await page.getByRole('link', { name: 'Go on' }).click()
  await isSignedIn()

  await signIn()
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await isSignedIn()
  const bad = faults.filter((fault) => !fault.includes('Failed to load resource'))
  await close()
  assert(bad.length === 0, `faults of the pages: ${bad.join(', ')}`)
}
