// What administrators do with groups of places and DNs, transactions, IVR profiles and statistics: each kind from its making, with what the
// form refuses on the way, over a change and the way back, to its end.

import { assert, assertEqual, axeFinds, until } from './checks.mjs'
import { dialog, finish, go, isMeant, openSetup, review, save } from './setup-steps.mjs'

const summaryOf = (page) => page.getByRole('alert').filter({ hasText: 'Nothing is saved yet' })
const isFocused = (locator) => locator.evaluate((element) => element === document.activeElement)

/** By its shortcut to a section, and from there to the form of a new one. */
async function begin(page, key, title, add) {
  await page.keyboard.press('g')
  await page.keyboard.press(key)
  await page.getByRole('heading', { name: title, level: 1 }).waitFor()
  await page.getByRole('link', { name: add }).click()
  await page.getByRole('heading', { name: add, level: 1 }).waitFor()
}

/** Asks for the review, which is refused with these words; gives the summary. */
async function refused(page, words) {
  await review(page).click()
  const summary = summaryOf(page)
  await summary.getByText(words).waitFor()
  return summary
}

/** Saves what stands in the form, after a look at it; gives what was shown. */
async function saved(page, id, what) {
  await review(page).click()
  const shown = await dialog(page, 'This will change').innerText()
  await save(page).click()
  await page.getByText(`${id} is ${what}.`).waitFor()
  await page.getByRole('heading', { name: id, level: 1 }).waitFor()
  return shown
}

const assertShown = (shown, ...parts) => parts.forEach((part) => assert(shown.includes(part), `${part} is not in ${shown}`))

/** Brings back what the object was before the last change. */
async function takenBack(page) {
  await page.getByRole('complementary').getByRole('button', { name: /^Restore as of/ }).first().click()
  await page.getByRole('dialog').getByRole('button', { name: 'Restore', exact: true }).click()
  await until('it is restored', async () => (await page.getByRole('dialog').count()) === 0)
}

/** The answer at an object to what uses it names another one. */
async function usedBy(page, path, name) {
  await go(page, path)
  await page.getByText('What uses this?').click()
  await page.getByRole('complementary').getByRole('link', { name }).waitFor()
}

/** Deletes the object whose page it is, after a look at what that means. */
async function deleted({ page, mock, kind, id }) {
  await page.getByRole('button', { name: 'Delete …' }).click()
  await dialog(page, 'This will be deleted').getByText('Nothing refers to it.').waitFor()
  assertEqual(await axeFinds(page), [], `axe, before ${id} is deleted`)
  await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click()
  await page.getByText(`${id} is deleted.`).waitFor()
  await until('it is not in the list', async () => (await page.locator(`[data-object="${id}"]`).count()) === 0)
  assert(mock.setup.get(kind, id) === undefined, `${id} is still stored`)
}

/** A group of places: one that does not exist is refused at its field; a place says in which groups it is. */
export async function setupPlaceGroups({ browser, link, mock }) {
  const opened = await openSetup(browser, link)
  const { page } = opened
  await begin(page, 'x', 'Place groups', 'New place group')
  await page.getByLabel(/^Name/).fill('Floor 3')
  const places = page.getByLabel('Add to: Places')
  await places.fill('P9999')
  const summary = await refused(page, 'Place P9999 does not exist.')
  await summary.getByRole('link', { name: 'Places' }).click()
  assert(await isFocused(places), 'the summary does not lead to the field')
  assertEqual(await axeFinds(page), [], 'axe, a group with a fault')
  await places.fill('P7103')
  await page.keyboard.press('Enter')
  // What is typed and not yet added counts.
  await places.fill('P7104')
  assertShown(await saved(page, 'Floor 3', 'created'), 'Floor 3', 'P7103', 'P7104')
  const stored = () => mock.setup.get('place_group', 'Floor 3').object
  assertEqual(stored(), { name: 'Floor 3', places: ['P7103', 'P7104'], folder: null, user_properties: {} }, 'what is stored')
  await usedBy(page, '/agent-setup/places/P7103', 'Place group Floor 3')
  await go(page, '/agent-setup/place-groups/Floor%203')
  await page.getByRole('button', { name: 'Remove P7104' }).click()
  await until('the focus is at the next place', () => isFocused(page.getByRole('button', { name: 'Remove P7103' })))
  assertShown(await saved(page, 'Floor 3', 'saved'), 'P7103, P7104')
  assertEqual(stored().places, ['P7103'], 'what is stored after a change')
  await takenBack(page)
  await page.getByRole('button', { name: 'Remove P7104' }).waitFor()
  assertEqual(stored().places, ['P7103', 'P7104'], 'what is stored after the restore')
  await go(page, '/agent-setup/place-groups?q=floor')
  await until('both groups are found', async () => (await page.locator('[data-object]').count()) === 2)
  await page.getByRole('link', { name: 'Floor 3', exact: true }).click()
  await deleted({ page, mock, kind: 'place_group', id: 'Floor 3' })
  await finish(opened, isMeant)
}

/** A group of DNs: one of another type than the group is for is refused at its cell, and so is a type that the members have not. */
export async function setupDnGroups({ browser, link, mock }) {
  const opened = await openSetup(browser, link)
  const { page } = opened
  await begin(page, '1', 'DN groups', 'New DN group')
  await page.getByLabel(/^Name/).fill('Front desk')
  const add = page.getByRole('button', { name: 'Add a DN' })
  await add.click()
  const dn = page.getByLabel('DN, row 1')
  await until('the focus is in the new row', () => isFocused(dn))
  await page.keyboard.type('9000')
  const summary = await refused(page, 'DN 9000 is of another type. Here may be: Phone.')
  assertEqual(await dn.getAttribute('aria-invalid'), 'true', 'the cell at fault')
  await summary.getByRole('link', { name: 'DNs' }).click()
  assert(await isFocused(dn), 'the summary does not lead to the cell')
  assertEqual(await axeFinds(page), [], 'axe, a group with a faulty cell')
  await dn.fill('7101')
  await page.getByLabel('Weight, row 1').fill('2')
  await add.click()
  await page.getByLabel('DN, row 2').fill('7102')
  await page.getByLabel('Weight, row 2').fill('')
  await refused(page, 'Weight, row 2: It is needed.')
  await page.getByLabel('Weight, row 2').fill('1')
  assertShown(await saved(page, 'Front desk', 'created'), 'Phones', '7101', '7102')
  const stored = () => mock.setup.get('dn_group', 'Front desk').object
  const members = [{ dn: '7101', weight: 2 }, { dn: '7102', weight: 1 }]
  assertEqual(stored(), { name: 'Front desk', type: 'single_ports', members, folder: null, user_properties: {} }, 'what is stored')
  await usedBy(page, '/agent-setup/dns/7101', 'DN group Front desk')
  await go(page, '/agent-setup/dn-groups/Front%20desk')
  const type = page.getByLabel('What its members are')
  await type.selectOption('acd_queues')
  await refused(page, 'DN 7101 is of another type. Here may be: Virtual queue, Route point.')
  await type.selectOption('service_numbers')
  assertShown(await saved(page, 'Front desk', 'saved'), 'Phones', 'Service numbers')
  assertEqual(stored().type, 'service_numbers', 'what is stored after a change')
  await takenBack(page)
  await until('the form has the type of before', async () => (await type.inputValue()) === 'single_ports')
  await deleted({ page, mock, kind: 'dn_group', id: 'Front desk' })
  await finish(opened, isMeant)
}

/** A transaction: no two have a name, whatever they are; a value is changed within its section. */
export async function setupTransactions({ browser, link, mock }) {
  const opened = await openSetup(browser, link)
  const { page } = opened
  await begin(page, '8', 'Transactions', 'New transaction')
  const name = page.getByLabel(/^Name/)
  await name.fill('Short')
  await page.getByLabel('What it is').selectOption('business_rule')
  const taken = await refused(page, 'It is taken already.')
  await taken.getByRole('link', { name: 'Open Short' }).waitFor()
  await name.fill('Night prices')
  await page.getByLabel('Alias').fill('night')
  await page.getByRole('button', { name: 'Add a section' }).first().click()
  await until('the focus is at the name of the section', () => isFocused(page.getByLabel('Name of the section')))
  await page.keyboard.type('rates')
  const rates = page.getByRole('group', { name: 'Values of rates' })
  await rates.getByRole('button', { name: 'Add a value' }).click()
  await until('the focus is in the new row', () => isFocused(rates.getByLabel('Key, row 1')))
  await page.keyboard.type('from')
  await refused(page, 'rates: from has no value.')
  assertEqual(await axeFinds(page), [], 'axe, a transaction with a fault')
  await rates.getByLabel('Value, row 1').fill('22:00')
  assertShown(await saved(page, 'Night prices', 'created'), 'Business rule', 'night', 'rates', '22:00')
  const stored = () => mock.setup.get('transaction', 'Night prices').object
  assertEqual(stored(), { name: 'Night prices', type: 'business_rule', alias: 'night', sections: { rates: { from: '22:00' } }, folder: null, user_properties: {} }, 'what is stored')
  await page.locator('[data-section] > summary').filter({ hasText: 'rates' }).click()
  await rates.getByLabel('Value, row 1').fill('23:00')
  assertShown(await saved(page, 'Night prices', 'saved'), 'rates.from', '22:00', '23:00')
  assertEqual(stored().sections, { rates: { from: '23:00' } }, 'what is stored after a change')
  await takenBack(page)
  assertEqual(stored().sections, { rates: { from: '22:00' } }, 'what is stored after the restore')
  await deleted({ page, mock, kind: 'transaction', id: 'Night prices' })
  await finish(opened, isMeant)
}

/** An IVR profile has an application or a first page, whichever it runs; the other one goes. */
export async function setupIvrProfiles({ browser, link, mock }) {
  const opened = await openSetup(browser, link)
  const { page } = opened
  await begin(page, '5', 'IVR profiles', 'New IVR profile')
  await page.getByLabel(/^Name/).fill('Night menu')
  await page.getByLabel('Calls at a time').fill('0')
  const summary = await refused(page, 'It is a whole number from 1 to 100000.')
  const application = page.getByRole('combobox', { name: /^Application/ })
  await summary.getByRole('link', { name: 'Application' }).click()
  assert(await isFocused(application), 'the summary does not lead to the field')
  assertEqual(await axeFinds(page), [], 'axe, a profile with faults')
  await page.getByLabel('Calls at a time').fill('30')
  await application.fill('nowhere')
  await refused(page, 'Application nowhere does not exist.')
  await application.fill('support')
  assertShown(await saved(page, 'Night menu', 'created'), 'An application', 'support', '30')
  const stored = () => mock.setup.get('ivr_profile', 'Night menu').object
  const policies = { calls_max: 30, duration_max_s: null, transfers: true, outgoing_calls: false }
  assertEqual(stored(), { name: 'Night menu', service_type: 'scxml', application: 'support', policies, folder: null, user_properties: {} }, 'what is stored')
  await usedBy(page, '/agent-setup/applications/support', 'IVR profile Night menu')
  await go(page, '/agent-setup/ivr-profiles/Night%20menu')
  await page.getByLabel('What it runs').selectOption('voicexml')
  await until('the application is not asked for', async () => (await application.count()) === 0)
  await page.getByLabel('Address of the first page').fill('ftp://ivr.example')
  await refused(page, 'it must begin with https:// or http://')
  await page.getByLabel('Address of the first page').fill('https://ivr.example/start.vxml')
  assertShown(await saved(page, 'Night menu', 'saved'), 'support', 'VoiceXML pages', 'https://ivr.example/start.vxml')
  const { service_type: type, application: none, initial_page_url: address } = stored()
  assertEqual([type, none, address], ['voicexml', null, 'https://ivr.example/start.vxml'], 'what is stored after a change')
  await takenBack(page)
  await until('the form has the application of before', async () => (await application.inputValue()) === 'support')
  await deleted({ page, mock, kind: 'ivr_profile', id: 'Night menu' })
  await finish(opened, isMeant)
}

/** A statistic: the category says what is asked for; names are chosen by what they say; what means nothing any more goes. */
export async function setupStatistics({ browser, link, mock }) {
  const opened = await openSetup(browser, link)
  const { page } = opened
  await begin(page, '6', 'Statistics', 'New statistic')
  await page.getByLabel(/^Name/).fill('In time')
  const category = page.getByLabel('Category')
  const most = page.getByLabel('Lasts at most')
  assertEqual(await most.count(), 0, 'fields that mean nothing')
  await category.selectOption('ServiceFactor1')
  const summary = await refused(page, 'Kinds of objects')
  assertShown(await summary.innerText(), 'Actions that are counted: It is needed.', 'Actions to compare with: It is needed.', 'Lasts at most: It is needed.')
  assertEqual(await axeFinds(page), [], 'axe, a statistic with faults')
  await page.getByLabel('Route points (RoutePoint)').check()
  const main = page.getByLabel('Add to: Actions that are counted')
  await main.fill('Answered')
  await page.getByLabel('Add to: Actions to compare with').fill('CallAbandoned')
  await most.fill('20')
  await page.getByLabel('Abandoned within').fill('5')
  await refused(page, 'There is no such name: Answered.')
  await main.fill('CallAnswered')
  await page.keyboard.press('Enter')
  await page.getByRole('listitem').filter({ hasText: 'a call was answered' }).waitFor()
  await page.getByLabel('What is counted').selectOption('AgentStatus')
  await refused(page, 'The statistics engine does not compute this: subject AgentStatus is for agents alone')
  await page.getByLabel('What is counted').selectOption('DNAction')
  assertShown(await saved(page, 'In time', 'created'), 'Service level (ServiceFactor1)', 'CallAnswered', 'CallAbandoned', '20')
  const stored = () => mock.setup.get('statistic_definition', 'In time').object
  const counted = { category: 'ServiceFactor1', subject: 'DNAction', objects: ['RoutePoint'], main: ['CallAnswered'], relative: ['CallAbandoned'] }
  const ranges = { range_from_s: null, range_to_s: 20, short_abandon_s: 5, filter: null }
  assertEqual(stored(), { name: 'In time', description: null, ...counted, profile: 'growing', resets: null, ...ranges, folder: null, user_properties: {} }, 'what is stored')
  // Another category asks for less, and what it does not ask for goes.
  await category.selectOption('TotalNumber')
  await until('the range is not asked for', async () => (await most.count()) === 0)
  await page.getByLabel(/^Counts/).selectOption('sliding')
  await refused(page, 'Length of the stretch')
  await page.getByLabel('Length of the stretch').fill('3600')
  await page.getByLabel(/^Step/).fill('60')
  assertShown(await saved(page, 'In time', 'saved'), 'How often (TotalNumber)', 'Lasts at most', 'CallAbandoned', '3600')
  const { category: now, main: actions, relative, range_to_s: range, short_abandon_s: short, profile, window_s: length, step_s: step } = stored()
  assertEqual([now, actions, relative, range, short, profile, length, step], ['TotalNumber', ['CallAnswered'], null, null, null, 'sliding', 3_600, 60], 'what is stored after a change')
  await takenBack(page)
  await until('the form has the range of before', async () => (await category.inputValue()) === 'ServiceFactor1' && (await most.inputValue()) === '20')
  await deleted({ page, mock, kind: 'statistic_definition', id: 'In time' })
  await finish(opened, isMeant)
}
