// Many people at once in Agent Setup: by keys alone, with the network away in the middle, with somebody else who is faster, deleted.

import { assert, assertEqual, axeFinds, until } from './checks.mjs'
import { dialog, finish, isMeant, openSetup, save } from './setup-steps.mjs'

const barOf = (page) => page.getByRole('region', { name: 'Change the selected people' })

async function chooseAll(page) {
  await page.getByLabel('Select all that are shown').check()
  await page.getByRole('button', { name: 'Select all that match, also those not shown' }).click()
}

/** The answers fail after two batches: what was made is told, stays out of the selection, and the others are made with another press. */
export async function setupBulkOutage({ browser, link, mock }) {
  const opened = await openSetup(browser, link)
  const { page } = opened
  const count = mock.setup.all('person').length
  await chooseAll(page)
  const bar = barOf(page)
  await bar.getByText(`${count} people selected`).waitFor()
  // Somebody who is chosen and not shown is changed meanwhile: one press later the same is tried again, of all at once.
  const last = mock.setup.all('person').map(({ user_name: name }) => name).sort().slice(-2)
  for (const name of last) mock.setup.changeBy('alan.turing', 'person', name, { email: `${name}@centre.example` })
  await bar.getByRole('button', { name: 'Disable' }).click()
  await bar.getByText('All that are selected are read again').waitFor()
  await until('they are read anew', async () => {
    if ((await page.getByRole('dialog').count()) === 1) return true
    // Not a press of the mouse, which would wait for what lies above it.
    await bar.getByRole('button', { name: 'Disable' }).dispatchEvent('click')
    return false
  })
  // More than the first can be looked at.
  const review = page.getByRole('dialog')
  await review.getByRole('button', { name: 'Show more' }).click()
  await until('all are shown', async () => (await review.locator('h3').count()) === count)
  let sent = 0
  await page.route('**/changes', (route) => {
    sent += 1
    return sent > 2 ? route.abort() : route.continue()
  })
  await save(page).click()
  await review.getByRole('alert').waitFor()
  await review.getByText(`400 of ${count} are made so far.`).waitFor()
  await review.getByRole('button', { name: 'Back' }).click()
  await bar.getByRole('alert').getByText(`400 of ${count} are made so far.`).waitFor()
  await bar.getByText(`${count - 400} people selected`).waitFor()
  assertEqual(await axeFinds(page), [], 'axe, with a change that was stopped')
  assertEqual(mock.setup.all('person').filter(({ disabled }) => disabled).length, 400, 'who was changed')
  await page.unroute('**/changes')
  await bar.getByRole('button', { name: 'Disable' }).click()
  await save(page).click()
  await page.getByText(`${count - 400} people changed.`).waitFor()
  assert(mock.setup.all('person').every(({ disabled }) => disabled), 'some were left out')
  await finish(opened, isMeant)
}

/** By keys alone: two are chosen, disabled, and let go; the focus is never lost. One who is opened does not end the choice; two are deleted. */
export async function setupBulkByKeyboard({ browser, link, mock }) {
  const opened = await openSetup(browser, link)
  const { page } = opened
  const bar = barOf(page)
  const isAtContent = () => page.evaluate(() => document.activeElement?.id === 'content')
  const press = async (locator, key = 'Enter') => {
    await locator.focus()
    await page.keyboard.press(key)
  }
  await press(page.getByLabel('Select ada.adler'), 'Space')
  await press(page.getByLabel('Select ben.adler'), 'Space')
  // A tick is not typing: letters are keys there.
  await page.keyboard.press('/')
  await until('a key leads from a tick to the search', () => page.getByRole('searchbox').evaluate((input) => input === document.activeElement))
  await press(bar.getByRole('button', { name: 'Disable' }))
  await dialog(page, '2 entries will change').waitFor()
  // A double press is none; a later one saves.
  await until('it is saved by keys', async () => {
    await page.keyboard.press('Control+Enter')
    return (await page.getByRole('dialog').count()) === 0
  })
  await page.getByText('2 people changed.').waitFor()
  await until('the focus is at the content after a change', isAtContent)
  await press(page.getByLabel('Select ada.adler'), 'Space')
  await press(page.getByRole('link', { name: 'ben.adler', exact: true }))
  await page.getByRole('heading', { name: 'ben.adler', level: 1 }).waitFor()
  await page.goBack()
  await bar.getByText('1 person selected').waitFor()
  assert(await page.getByLabel('Select ada.adler').isChecked(), 'the choice is lost')
  await press(bar.getByRole('button', { name: 'Clear selection' }))
  await until('the focus is at the content after the choice', isAtContent)
  const free = mock.setup.all('person').map(({ user_name: name }) => name).filter((name) => mock.setup.uses('person', name).length === 0).sort().slice(0, 2)
  for (const name of free) await press(page.getByLabel(`Select ${name}`, { exact: true }), 'Space')
  await press(bar.getByRole('button', { name: 'Delete …' }))
  await dialog(page, 'This will be deleted').waitFor()
  await press(page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }))
  await page.getByText('2 entries deleted.').waitFor()
  assert(free.every((name) => mock.setup.get('person', name) === undefined), 'they are still stored')
  await finish(opened)
}
