// The guide "Your first tenant" (docs/your-first-tenant.md), as an administrator walks it in a running installation.

import { openPage } from './browser.mjs'
import { assertEqual, axeFinds } from './checks.mjs'
import { dialog, finish, isMeant, review, save } from './setup-steps.mjs'

const DESK = { width: 1280, height: 720, theme: 'light' }

async function isClean(page, where) {
  assertEqual(await axeFinds(page), [], `axe, ${where}`)
}

async function signsIn(page, user, password) {
  await page.getByLabel('User name').fill(user)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

/** Opens the form of a new object by the list of its kind. */
async function begins(page, section, link) {
  await page.getByRole('navigation', { name: 'Sections' }).getByRole('link', { name: section, exact: true }).click()
  await page.getByRole('heading', { name: section, level: 1, exact: true }).waitFor()
  await page.getByRole('link', { name: link, exact: true }).click()
  await page.getByRole('heading', { name: link, level: 1, exact: true }).waitFor()
}

/** Looks at what will change, and saves it. */
async function saves(page, name) {
  await isClean(page, `the form of ${name}`)
  await review(page).click()
  await dialog(page, 'This will change').waitFor()
  await save(page).click()
  await page.getByText(`${name} is created.`).waitFor()
  await page.getByRole('heading', { name, level: 1, exact: true }).waitFor()
}

/**
 * From the sign-in to a person with a place and a phone, who signs in. `paths` are the user name and the password of the administrator, the
 * number of the phone and its SIP password, and the user name and the password of the person.
 */
export async function firstTenant({ browser, link, paths: [boss, bossPassword, number, sipPassword, user, password] }) {
  const opened = await openPage(browser, DESK)
  const { page } = opened
  await page.goto(new URL('/agent-setup/', link).href.split('#')[0])
  const signIn = page.getByRole('main').getByRole('link', { name: 'Sign in' })
  await signIn.waitFor()
  await isClean(page, 'before the sign-in')
  await signIn.click()
  await page.getByLabel('User name').waitFor()
  await isClean(page, 'the sign-in')
  await signsIn(page, boss, bossPassword)
  await page.getByRole('heading', { name: 'People', level: 1 }).waitFor()
  await page.locator('[data-object]').first().waitFor()
  await isClean(page, 'the list of people')

  await begins(page, 'DNs', 'New DN')
  await page.getByLabel(/^Type/).selectOption({ label: 'Phone' })
  await page.getByLabel(/^Number or name/).fill(number)
  await page.getByLabel(/^SIP password/).fill(sipPassword)
  await saves(page, number)

  const place = `P${number}`
  await begins(page, 'Places', 'New place')
  await page.getByLabel(/^Name/).fill(place)
  await page.getByLabel('Add to: DNs').fill(number)
  await page.keyboard.press('Enter')
  await saves(page, place)

  await begins(page, 'People', 'New person')
  await page.getByLabel('User name').fill(user)
  await page.getByLabel('First name').fill('Grace')
  await page.getByLabel('Last name').fill('Guide')
  await page.getByLabel('New password').fill(password)
  await page.getByRole('checkbox', { name: 'Agent', exact: true }).check()
  await page.getByLabel('Takes calls as an agent').check()
  await page.getByLabel('Agent id').fill('3001')
  await page.getByLabel(/^Place/).fill(place)
  await page.getByRole('button', { name: 'Add a skill' }).click()
  await page.getByLabel('Skill, row 1').fill('Sales')
  await page.getByLabel('Level, row 1').fill('5')
  await saves(page, user)
  await finish(opened, isMeant)

  const hers = await openPage(browser, DESK)
  await hers.page.goto(new URL('/auth/v3/sign-in', link).href.split('#')[0])
  await signsIn(hers.page, user, password)
  await hers.page.getByRole('heading', { name: 'You are signed in' }).waitFor()
  await isClean(hers.page, 'whoever is signed in')
  await finish(hers, isMeant)
}
