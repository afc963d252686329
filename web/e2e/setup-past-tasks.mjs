// What Agent Setup keeps of the past, as tasks: changes of objects with a way back, and sign-ins.

import { assert, assertEqual, axeFinds, until } from './checks.mjs'
import { dialog, finish, go, isMeant, openSetup, review, save } from './setup-steps.mjs'

/** A change is found in the history and taken back, after it was shown what that changes; a colleague is faster, and it is tried once more. */
export async function setupHistory({ browser, link, mock }) {
  const opened = await openSetup(browser, link)
  const { page } = opened
  await page.getByRole('link', { name: 'ada.adler', exact: true }).click()
  await page.getByLabel('Last name').fill('Wrong')
  await review(page).click()
  await save(page).click()
  const history = page.getByRole('complementary')
  await history.getByText('grace.hopper').waitFor()
  await history.getByRole('button', { name: /^Restore as of/ }).first().click()
  const shown = await dialog(page, /^Back to/).innerText()
  assert(shown.includes('Wrong') && shown.includes('Adler'), shown)
  assertEqual(await axeFinds(page), [], 'axe, before a restore')
  mock.setup.changeBy('alan.turing', 'person', 'ada.adler', { email: 'ada@centre.example' })
  const restore = page.getByRole('dialog').getByRole('button', { name: 'Restore', exact: true })
  await restore.click()
  await page.getByRole('dialog').getByRole('alert').filter({ hasText: 'Somebody else has changed it meanwhile.' }).waitFor()
  await page.getByRole('dialog').getByText('ada@centre.example').waitFor()
  await restore.click()
  await until('the form has the old name', async () => (await page.getByLabel('Last name').inputValue()) === 'Adler')
  assertEqual(mock.setup.get('person', 'ada.adler').object.last_name, 'Adler', 'what is stored')
  await go(page, '/agent-setup/history')
  await page.getByText('Person ada.adler').first().waitFor()
  await finish(opened, isMeant)
}

/** Who has signed in: by person and time, in pages, in words; and from a person to their sign-ins. */
export async function setupSignIns({ browser, link, mock }) {
  const opened = await openSetup(browser, link)
  const { page } = opened
  await page.getByRole('navigation', { name: 'Sections' }).getByRole('link', { name: 'Sign-ins' }).click()
  await page.getByText('Refused, by password, 3 times within a minute').waitFor()
  const rows = page.locator('[data-event]')
  assertEqual(await rows.count(), 50, 'the first page')
  await page.getByRole('button', { name: 'Show more' }).click()
  await until('the second page', async () => (await rows.count()) === 100)
  await page.getByLabel('Person (user name)').fill('ada.adler')
  await page.getByLabel(/^What/).selectOption('refused')
  await page.getByRole('button', { name: 'Show', exact: true }).click()
  await until('hers alone', async () => (await rows.count()) === 1)
  assert(page.url().includes('person=ada.adler'), 'the filter is not in the address')
  // The same filter once more asks once more.
  mock.setup.signIns.unshift({ ...mock.setup.signIns.find(({ event, subject }) => event === 'refused' && subject !== ''), source: '192.0.2.99' })
  await page.getByRole('button', { name: 'Show', exact: true }).click()
  await page.getByText('192.0.2.99').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, sign-ins')
  await page.goBack()
  await until('all again', async () => (await rows.count()) > 1)
  assertEqual(await page.getByLabel('Person (user name)').inputValue(), '', 'the filter after the way back')
  await page.getByLabel('Until').fill('2000-01-01T00:00')
  await page.getByRole('button', { name: 'Show', exact: true }).click()
  await page.getByText('Nothing is noted for this.').waitFor()
  await go(page, '/agent-setup/people/ben.adler')
  await page.getByRole('link', { name: 'Sign-ins of this person' }).click()
  await until('his alone', async () => (await rows.count()) === 50 && (await page.getByLabel('Person (user name)').inputValue()) === 'ben.adler')
  await finish(opened)
}
