// What agents do at the desktop besides calls: find people, keep them, look at numbers, park, see a caller's page, and work inside a CRM.

import { createServer } from 'node:http'
import { act, finish, isMeant, openReady, status } from './desk-tasks.mjs'
import { answers, panel, press, triesNow } from './desk-page.mjs'
import { assert, assertEqual, axeFinds, chooseLanguage, chooseTheme, until } from './checks.mjs'

const directory = (page) => page.getByRole('region', { name: 'Directory' })
const to = (page) => page.getByRole('combobox', { name: 'To whom?' })

/** Before a transfer it is seen who is ready; by keys alone, and by a press. */
export async function deskDirectory({ browser, link, mock }) {
  const opened = await openReady(browser, link)
  const { page } = opened
  const { phone } = mock.desks
  phone.ring()
  await act(page, 'Answer').click()
  await panel(page, 'Established').waitFor()
  await page.keyboard.press('c')
  await page.keyboard.type('ben')
  const options = page.getByRole('listbox').getByRole('option')
  await options.getByText('Ben Adler').waitFor()
  assert((await options.first().innerText()).includes('On a call'), 'it does not say what Ben does')
  assertEqual(await axeFinds(page), [], 'axe, somebody is looked for')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('ArrowUp')
  await page.keyboard.press('Enter')
  await page.locator('[data-panel="Established"][aria-label="Call with 7102"]').waitFor()
  await press(page, 'b')
  await page.locator('[data-panel="Established"][aria-label="Call with +4930123456"]').waitFor()
  await act(page, 'Transfer').click()
  await to(page).fill('sales')
  // Nobody dials a queue that has no number.
  await options.getByText('sales').waitFor()
  assertEqual(await options.count(), 1, 'what can be called')
  await options.first().click()
  assertEqual(await to(page).inputValue(), 'sales', 'what a press has chosen')
  await to(page).press('Enter')
  await until('it went to the number of sales', () => mock.desks.seen.some(({ path, data }) => path.endsWith('single-step-transfer') && data.destination === '9000'))
  await panel(page, 'Released').waitFor()
  await press(page, 'e')
  // A number is meant as it stands, though somebody has it.
  await page.keyboard.press('d')
  await page.keyboard.type('7103')
  await options.first().waitFor()
  await page.keyboard.press('Enter')
  await page.locator('[data-panel="Established"][aria-label="Call with 7103"]').waitFor()
  // From the directory a colleague is asked about the call that goes on.
  await page.keyboard.press('f')
  await page.keyboard.type('emil')
  const emil = directory(page).locator('[data-target="Emil Adler"]')
  await emil.getByText('Logged out').waitFor()
  await emil.getByRole('button', { name: 'Consult: Emil Adler' }).click()
  await page.locator('[data-panel="Established"][aria-label="Call with 7105"]').waitFor()
  await directory(page).getByRole('searchbox').fill('nobody at all')
  await directory(page).getByText('Nobody and nothing of that name.').waitFor()
  await finish(opened)
}

/** Favourites are kept, also over another sign-in; missed calls are marked until they were seen. */
export async function deskFavourites({ browser, link, mock }) {
  const opened = await openReady(browser, link)
  const { page } = opened
  const { phone } = mock.desks
  const list = (name) => directory(page).getByRole('group', { name: 'Lists' }).getByRole('button', { name })
  await list('Favourites').click()
  await directory(page).getByText('You have no favourites yet.').waitFor()
  await page.keyboard.press('f')
  await page.keyboard.type('cleo')
  await directory(page).getByRole('button', { name: 'Favourite: Cleo Adler' }).click()
  await directory(page).locator('[aria-pressed="true"]', { hasText: '★' }).waitFor()
  await page.keyboard.press('Escape')
  await directory(page).locator('[data-target="Cleo Adler"]').getByText('Not ready, Lunch').waitFor()
  await page.reload()
  await status(page, 'Ready')
  await page.keyboard.press('v')
  await directory(page).getByRole('button', { name: 'Call: Cleo Adler' }).click()
  await page.locator('[data-panel="Established"][aria-label="Call with 7103"]').waitFor()
  await press(page, 'x')
  await page.keyboard.press('x')
  await panel(page, 'Established').waitFor({ state: 'detached' })
  phone.hangUp(phone.ring({ number: '+33144556677' }))
  await list('Recent calls (1 missed)').waitFor()
  await page.keyboard.press('l')
  await directory(page).locator('[data-target="+33144556677"]').getByText(/^Missed /).waitFor()
  await directory(page).locator('[data-target="Cleo Adler"]').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, recent calls')
  await directory(page).getByRole('button', { name: 'I have seen the missed calls' }).click()
  await directory(page).getByText(/^Missed /).waitFor({ state: 'detached' })
  await page.keyboard.press('v')
  await directory(page).getByRole('button', { name: 'Favourite: Cleo Adler' }).click()
  await directory(page).getByText('You have no favourites yet.').waitFor()
  await finish(opened)
}

/** Contacts are kept, found, called, transferred to, changed and removed, by keys alone; a favourite changes with its contact. */
export async function deskContacts({ browser, link, mock }) {
  const opened = await openReady(browser, link)
  const { page } = opened
  const { desks } = mock
  const contact = (name) => directory(page).locator(`[data-contact="${name}"]`)
  const button = (name) => directory(page).getByRole('button', { name, exact: true })
  const enter = async (where) => {
    await where.focus()
    await page.keyboard.press('Enter')
  }
  await page.keyboard.press('Shift+C')
  await directory(page).getByText('There are no contacts yet.').waitFor()
  await enter(button('New contact'))
  await page.keyboard.press('Enter')
  await directory(page).getByText('A contact needs a name.').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, the form with a fault')
  await directory(page).getByLabel('Name', { exact: true }).fill('Ines Iversen')
  await directory(page).getByLabel('Number 1', { exact: true }).fill('call me')
  await page.keyboard.press('Enter')
  await directory(page).getByText('A number begins with a plus').waitFor()
  await directory(page).getByLabel('Number 1', { exact: true }).fill('+49 (30) 123-456')
  await directory(page).getByLabel('Company', { exact: true }).fill('Iversen Tea')
  await page.keyboard.press('Enter')
  await contact('Ines Iversen').getByText('Iversen Tea').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, contacts')
  await enter(button('Favourite: Ines Iversen'))
  await contact('Ines Iversen').locator('[aria-pressed="true"]').waitFor()
  // Called from the list, and a caller is transferred there by name.
  await enter(button('Call: Work, Ines Iversen +4930123456'))
  await page.locator('[data-panel="Established"][aria-label="Call with +4930123456"]').waitFor()
  await press(page, 't')
  await page.keyboard.type('iversen')
  await page.getByRole('listbox').getByRole('option').getByText('Ines Iversen').waitFor()
  await page.keyboard.press('Enter')
  await until('it went to the contact', () => desks.seen.some(({ path, data }) => path.endsWith('single-step-transfer') && data.destination === '+4930123456'))
  await panel(page, 'Released').waitFor()
  await press(page, 'e')
  // Changed where it was found; the favourite is, too.
  await page.keyboard.press('f')
  await page.keyboard.type('iversen')
  await directory(page).locator('[data-target="Ines Iversen"]').waitFor()
  await enter(button('Edit contact: Ines Iversen'))
  await directory(page).getByLabel('Name', { exact: true }).fill('Ines Ibsen')
  await page.keyboard.press('Enter')
  await directory(page).locator('[data-target="Ines Ibsen"]').waitFor()
  await directory(page).getByRole('searchbox').fill('')
  await enter(button('Favourites'))
  await directory(page).locator('[data-target="Ines Ibsen"]').waitFor()
  await chooseLanguage(page, 'de')
  const german = page.getByRole('region', { name: 'Verzeichnis' })
  await enter(german.getByRole('button', { name: 'Kontakte', exact: true }))
  await enter(german.getByRole('button', { name: 'Kontakt bearbeiten: Ines Ibsen' }))
  await enter(german.getByRole('button', { name: 'Löschen' }))
  await page.keyboard.press('Enter')
  await german.getByText('Es gibt noch keine Kontakte.').waitFor()
  await chooseLanguage(page, 'en')
  await finish(opened, isMeant)
}

/** What the agent has done, and the own queues: those that there are, those of the configuration; as they change, and over a loss. */
export async function deskNumbers({ browser, link, mock }) {
  const opened = await openReady(browser, link)
  const { page } = opened
  const numbers = page.getByRole('region', { name: 'My numbers today' })
  await numbers.getByText('3:04').waitFor()
  assert((await numbers.innerText()).includes('21:28'), 'the talk time is not there')
  assertEqual(await numbers.locator('tr[data-queue]').count(), 4, 'queues of the tenant')
  await numbers.locator('tr[data-queue="support"]').first().getByText('87 %').waitFor()
  mock.desks.targets.waiting = 12
  await numbers.locator('tr[data-queue="sales"]').first().getByText('12', { exact: true }).waitFor()
  mock.desks.goAway()
  await page.getByText('You are offline').waitFor()
  mock.desks.targets.waiting = 5
  mock.desks.comeBack()
  await triesNow(page)
  await numbers.locator('tr[data-queue="sales"]').first().getByText('5', { exact: true }).waitFor()
  assertEqual(mock.desks.targets.subscriptions.size, 1, 'subscriptions that are open')
  mock.desks.settings['interaction-workspace']['statistics.queues'] = 'support'
  await page.reload()
  await numbers.locator('tr[data-queue="support"]').getByText('5', { exact: true }).waitFor()
  assertEqual(await numbers.locator('tr[data-queue]').count(), 1, 'queues of the configuration')
  await finish(opened, isMeant)
}

/** A call is parked at the own number, and it is said where it waits. */
export async function deskPark({ browser, link, mock }) {
  const opened = await openReady(browser, link)
  const { page } = opened
  mock.desks.phone.ring()
  await act(page, 'Answer').click()
  await panel(page, 'Established').waitFor()
  await page.keyboard.press('p')
  await page.getByText('Whoever dials *687101 at a phone').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, where a call is parked')
  await page.getByLabel('Park slot').press('Enter')
  await page.getByText('+4930123456 is parked: dial *687101 at a phone.').waitFor()
  assertEqual(mock.desks.seen.find(({ path }) => path.endsWith('single-step-transfer'))?.data.destination, '*687101', 'where it went')
  // A page that is loaded again knows it still; a key has it ring here.
  await page.reload()
  await page.getByText('+4930123456 is parked: dial *687101 at a phone.').waitFor()
  await page.keyboard.press('z')
  await panel(page, 'Ringing').waitFor()
  await page.getByText('is parked').waitFor({ state: 'detached' })
  await answers(page)
  await page.keyboard.press('p')
  await page.getByLabel('Park slot').press('Enter')
  await page.getByRole('button', { name: 'Hide: +4930123456' }).click()
  await page.getByText('is parked').waitFor({ state: 'detached' })
  await finish(opened)
}

/** What a caller did before, why this agent, and a conference that somebody is taken out of; all by keys. */
export async function deskCourse({ browser, link, mock }) {
  const opened = await openReady(browser, link)
  const { page } = opened
  mock.desks.phone.ring()
  const course = page.getByRole('region', { name: 'Before this' })
  await course.getByText('You have French 4, waited longest; caller waited 0:41 in sales').waitFor()
  await course.getByText('Chosen because you had waited longest for a call: 1 other agent could have taken it.').waitFor()
  await course.getByText('Before this', { exact: true }).press('Enter')
  await course.getByText('Announcement with keys: pressed 2').waitFor()
  await course.getByText('Who else was looked at').press('Enter')
  await course.getByText('a7103: not ready').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, what was before a call')
  await answers(page)
  await page.keyboard.press('c')
  await page.keyboard.type('7105')
  await page.keyboard.press('Enter')
  await page.locator('[data-panel="Established"][aria-label="Call with 7105"]').waitFor()
  await press(page, 'j')
  await page.getByText('+4930123456, 7105').waitFor()
  await page.keyboard.press('q')
  const whom = page.getByRole('group', { name: 'Who is to leave?' })
  await whom.waitFor()
  assertEqual(await axeFinds(page), [], 'axe, who is to leave a conference')
  await whom.getByRole('button', { name: 'Remove 7105' }).press('Enter')
  await whom.waitFor({ state: 'detached' })
  assertEqual(mock.desks.seen.find(({ path }) => path.endsWith('delete-from-conference'))?.data.dnToDrop, '7105', 'who has left')
  await page.getByText('+4930123456, 7105').waitFor({ state: 'detached' })
  await act(page, 'Remove somebody').waitFor({ state: 'detached' })
  await finish(opened)
}

/** After-call work has a clock, is said to end in time, and is made longer by keys. */
export async function deskWrapUp({ browser, link, mock }) {
  mock.desks.wrapUpMs = 15_000
  // By a computer whose clock is two minutes ahead.
  const opened = await openReady(browser, link, { ahead: 120_000 })
  const { page } = opened
  const { began } = mock.desks.phone.ring()
  mock.desks.phone.calls[0].began = began - 61_000
  await answers(page)
  await press(page, 'h')
  // How long it is held, and not how long it is there.
  await panel(page, 'Held').getByText(/^0:0\d$/).waitFor()
  mock.desks.phone.hangUp(mock.desks.phone.calls[0])
  const mine = page.getByRole('region', { name: 'My status' })
  await mine.getByText(/^Ends in 0:1\d$/).waitFor()
  await panel(page, 'Released').getByText(/^after 1:0\d$/).waitFor()
  await mine.getByText('After-call work ends within 20 seconds').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, the end of after-call work')
  await page.keyboard.press('u')
  await mine.getByText(/^Ends in 1:1\d$/).waitFor()
  await mine.getByText('After-call work ends within 20 seconds').waitFor({ state: 'detached' })
  const asked = mock.desks.seen.find(({ path, data }) => path.endsWith('not-ready') && data.extensions !== undefined)
  assert(asked.data.extensions[0].value > 60, `the time that is asked for: ${JSON.stringify(asked.data)}`)
  await page.keyboard.press('w')
  await mine.getByText('It lasts until you end it.').waitFor()
  await press(page, 'r')
  await status(page, 'Ready')
  await finish(opened)
}

/** Why a call has come; the page about the caller opens with the answer, in one window for all, which gets no hand on the desktop. */
export async function deskScreenPop({ browser, link, mock }) {
  const crm = await otherSite('<title>customer</title>')
  mock.desks.settings['interaction-workspace']['screen-pop.url'] = `${crm.url}/customers?id={CustomerId}&from={number}`
  const opened = await openReady(browser, link)
  const { page } = opened
  const call = mock.desks.phone.ring({ data: { CustomerId: 'a&b', RTargetObjectSelected: 'French >= 4', RTargetAgentSelected: mock.desks.phone.dn.agentId } })
  await page.getByText('Why you: the call from sales asks for French 4 or more.').waitFor()
  const popup = page.waitForEvent('popup')
  await act(page, 'Answer').click()
  const customer = await popup
  await customer.waitForURL(`${crm.url}/customers?id=a%26b&from=%2B4930123456`)
  await panel(page, 'Established').waitFor()
  await page.bringToFront()
  await page.getByRole('button', { name: 'Open the caller’s page' }).click()
  await until('it has asked anew', () => crm.asked.length >= 2)
  const handsOn = () => customer.evaluate(() => [window.opener, window.parent === window, window.length])
  assertEqual(await handsOn(), [null, true, 0], 'what the page has of others')
  await page.bringToFront()
  mock.desks.phone.hangUp(call)
  await act(page, 'Done with the call').click()
  await page.getByText('No calls.').waitFor()
  // The page of the next call takes its place, though it is of another site and has no opener by which it could be led.
  mock.desks.phone.ring({ data: { CustomerId: 'c' } })
  await act(page, 'Answer').click()
  await customer.waitForURL(`${crm.url}/customers?id=c&from=%2B4930123456`)
  assertEqual(await handsOn(), [null, true, 0], 'what the next page has of others')
  assertEqual(page.context().pages().length, 2, 'windows')
  assertEqual(await page.evaluate(() => window.opener), null, 'what the desktop has of others')
  // One that is closed is opened again.
  await customer.close()
  const again = page.waitForEvent('popup')
  await page.getByRole('button', { name: 'Open the caller’s page' }).click()
  const opens = await again
  await opens.waitForURL(`${crm.url}/customers?id=c&from=%2B4930123456`)
  assertEqual(await opens.evaluate(() => window.opener), null, 'what the page of the next window has of others')
  assertEqual(await page.locator('iframe').count(), 1, 'frames that lead')
  // As it rings, in a page in which nothing was pressed; and who looks elsewhere hears of the call by the system.
  mock.desks.settings['interaction-workspace']['screen-pop.when'] = 'rings'
  mock.desks.phone.hangUp(mock.desks.phone.calls[0])
  await opens.close()
  await page.reload()
  await status(page, 'NotReady')
  await page.evaluate(() => {
    window.notices = []
    window.Notification = class {
      static permission = 'granted'
      constructor(title, { body }) {
        window.notices.push(`${title}, ${body}`)
      }
      close() {}
    }
    document.hasFocus = () => false
  })
  const next = page.waitForEvent('popup')
  mock.desks.phone.ring({ number: '+33144556677', queue: 'support', data: { CustomerId: 'c' } })
  await (await next).waitForURL(`${crm.url}/customers?id=c&from=%2B33144556677`)
  assertEqual(await page.evaluate(() => window.notices), ['+33144556677 rings, support'], 'what the system says')
  await finish(opened)
  await crm.close()
}

/** A link of another page fills the number in, and calls nobody. */
export async function deskDialLink({ browser, link, mock }) {
  const opened = await openReady(browser, link)
  const { page } = opened
  await page.goto(new URL('/desktop?dial=tel%3A%2B49%2030-99', link).href)
  const input = page.getByRole('combobox', { name: 'Name or number' })
  await until('the number is filled in', async () => (await input.inputValue()) === '+493099')
  await page.getByText('A link has brought this number.').waitFor()
  assertEqual(new URL(page.url()).search, '', 'what stands in the address')
  assert(!mock.desks.seen.some(({ path }) => path.endsWith('make-call')), 'a link has called')
  await input.press('Enter')
  await page.locator('[data-panel="Established"][aria-label="Call with +493099"]').waitFor()
  await finish(opened)
}

/** A page that plays the CRM: it opens the desktop, hears of calls, dials and answers; a page of another origin is not heard. */
export async function deskInCrm({ browser, link, mock }) {
  const [crm, stranger] = await Promise.all([otherSite(CRM), otherSite(CRM)])
  mock.desks.settings['interaction-workspace']['service-client-api.accepted-web-content-origin'] = crm.url
  const opened = await openReady(browser, link)
  const { page } = opened
  const desk = page.url()
  const openFrom = async (site) => {
    const outer = await page.context().newPage()
    await outer.goto(site.url)
    const popup = outer.waitForEvent('popup')
    await outer.evaluate((url) => void (window.desk = window.open(url)), desk)
    await status(await popup, 'Ready')
    return outer
  }
  const heard = (outer) => outer.evaluate(() => window.heard)
  const ask = (outer, method, params) => outer.evaluate(([name, given]) => window.ask(name, given), [method, params])
  const outer = await openFrom(crm)
  await until('the desktop has said that it is there', async () => (await heard(outer)).some(({ event }) => event === 'here'))
  const hello = await ask(outer, 'hello')
  assertEqual([hello.ok, hello.result.agent.state, hello.result.calls], [true, 'Ready', []], 'the first answer')
  assertEqual((await ask(outer, 'dial', { number: '+49 30 99', data: { CustomerId: '7' } })).ok, true, 'the answer to a number')
  await until('the CRM has heard of the call', async () => (await heard(outer)).some(({ event, call }) => event === 'call' && call.state === 'Established' && call.number === '+493099'))
  assertEqual(mock.desks.seen.find(({ path }) => path.endsWith('make-call'))?.data.userData, [{ key: 'CustomerId', type: 'str', value: '7' }], 'the data of the call')
  const { id } = mock.desks.phone.calls[0]
  assertEqual((await ask(outer, 'hold', { call: id })).ok, true, 'the answer to hold')
  await page.locator('[data-panel="Held"]').waitFor()
  assertEqual((await ask(outer, 'hold', { call: id })).error, 'not-now', 'a second hold')
  assertEqual((await ask(outer, 'sing', {})).error, 'no-such-method', 'what there is not')
  const other = await openFrom(stranger)
  await other.evaluate(() => window.desk.postMessage({ protocol: 'trunkline.desktop/1', id: 1, method: 'hello' }, '*'))
  mock.desks.phone.ring()
  await until('the CRM has heard of it', async () => (await heard(outer)).some(({ call }) => call?.state === 'Ringing'))
  assertEqual(await heard(other), [], 'what a stranger has heard')
  await finish(opened)
  await Promise.all([crm.close(), stranger.close()])
}

const CRM = '<title>crm</title><script src="/crm.js"></script>'
const CRM_SCRIPT = `
window.heard = []
const waiting = new Map()
let ids = 0
addEventListener('message', ({ data }) => {
  if (data.id !== undefined) waiting.get(data.id)?.(data)
  else window.heard.push(data)
})
window.ask = (method, params) => new Promise((resolve) => {
  ids += 1
  waiting.set(ids, resolve)
  window.desk.postMessage({ protocol: 'trunkline.desktop/1', id: ids, method, params }, '*')
})
`

/** A site of another origin. */
async function otherSite(html) {
  const asked = []
  const server = createServer((request, response) => {
    const isScript = request.url === '/crm.js'
    if (request.url !== '/favicon.ico') asked.push(request.url)
    response.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html' }).end(isScript ? CRM_SCRIPT : html)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${server.address().port}`, asked, close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))) }
}

/** Where directory and numbers do not answer, calls go on. */
export async function deskTeamAway({ browser, link, mock }) {
  mock.desks.targets.isAway = true
  const opened = await openReady(browser, link)
  const { page } = opened
  await page.getByText('The numbers do not come at the moment').waitFor()
  await page.keyboard.press('f')
  await page.keyboard.type('ben')
  await directory(page).getByText('The directory does not answer at the moment.').waitFor()
  await page.keyboard.press('Escape')
  await page.keyboard.press('Tab')
  await page.keyboard.press('v')
  await directory(page).getByText('The directory does not answer at the moment.').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, the directory is away')
  await page.keyboard.press('d')
  await page.keyboard.type('7104')
  await page.keyboard.press('Enter')
  await page.locator('[data-panel="Established"][aria-label="Call with 7104"]').waitFor()
  await finish(opened, isMeant)
}

/** axe finds nothing: every theme, a phone's width, German. */
export async function deskTeamAccessible({ browser, link, mock }) {
  mock.desks.settings['interaction-workspace']['screen-pop.url'] = 'https://crm.example/{number}'
  const opened = await openReady(browser, link)
  const { page } = opened
  mock.desks.phone.ring()
  await act(page, 'Answer').click()
  await panel(page, 'Established').waitFor()
  await page.keyboard.press('f')
  await page.keyboard.type('adler')
  await directory(page).locator('[data-target="Ada Adler"], [data-target="Ben Adler"]').first().waitFor()
  for (const theme of ['dark', 'contrast', 'light']) {
    await chooseTheme(page, theme)
    assertEqual(await axeFinds(page), [], `axe, ${theme}`)
  }
  await page.setViewportSize({ width: 400, height: 800 })
  assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it scrolls sideways on a narrow screen')
  assertEqual(await axeFinds(page), [], 'axe, narrow')
  await page.setViewportSize({ width: 1280, height: 720 })
  await chooseLanguage(page, 'de')
  const german = page.getByRole('region', { name: 'Verzeichnis' })
  await german.getByRole('searchbox').fill('adler')
  await german.getByText('Nachbearbeitung').first().waitFor()
  await page.getByRole('region', { name: 'Meine Zahlen heute' }).getByText('87 %').first().waitFor()
  assertEqual(await axeFinds(page), [], 'axe, German')
  await finish(opened)
}
