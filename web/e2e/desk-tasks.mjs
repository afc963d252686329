// What agents do at the desktop, as tasks. Each signs in as the mock does: by a press.

import { openPage } from './browser.mjs'
import { assert, assertEqual, axeFinds, chooseLanguage, chooseTheme, menuOf, until } from './checks.mjs'
import { answers, panel, press, triesNow } from './desk-page.mjs'

/** What the browser itself says of answers that are no success, and of none. */
export const isMeant = (fault) => fault.includes('Failed to load resource')

export async function openDesk(browser, link, options) {
  const { ahead = 0, ...looks } = options ?? {}
  const opened = await openPage(browser, { width: 1280, height: 720, theme: 'light', ...looks })
  const { page } = opened
  // The clock of this computer is wrong by so much.
  if (ahead !== 0) {
    await page.addInitScript((ms) => {
      const now = Date.now
      Date.now = () => now() + ms
    }, ahead)
  }
  await page.goto(new URL('/desktop', link).href.split('#')[0])
  await page.getByRole('main').getByRole('link', { name: /^(Sign in|Anmelden)$/ }).click()
  return opened
}

/** At the own place, ready. */
export async function openReady(browser, link, options) {
  const opened = await openDesk(browser, link, options)
  const { page } = opened
  await page.getByRole('button', { name: 'Start work' }).click()
  await status(page, 'NotReady')
  await page.getByRole('button', { name: 'Ready', exact: false }).first().click()
  await status(page, 'Ready')
  return opened
}

export async function finish({ faults, close }, allowed = () => false) {
  const bad = faults.filter((fault) => !allowed(fault))
  await close()
  assertEqual(bad, [], 'faults of the page')
}

export const status = (page, state) => page.locator(`[data-agent="${state}"]`).waitFor()
export const act = (page, name) => page.getByRole('group', { name: 'What you can do' }).getByRole('button', { name })
const asked = (mock) => mock.desks.seen.map(({ path }) => path.split('/').at(-1))

/** A day of calls by keys alone: place, ready, answer, hold, digits, consult, transfer, wrap up, a reason, logout. */
export async function deskByKeyboard({ browser, link, mock }) {
  const opened = await openDesk(browser, link)
  const { page } = opened
  const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() ?? '')
  const place = page.getByLabel('Place')
  await until('the own place is filled in', async () => (await place.inputValue()) === 'P7101')
  await page.getByText('The phone of this place is 7101.').waitFor()
  await place.focus()
  await page.keyboard.press('Enter')
  await status(page, 'NotReady')
  await press(page, 'r')
  await status(page, 'Ready')
  const call = mock.desks.phone.ring({ data: { CustomerName: 'Ines Iversen', Language: 'de' } })
  await panel(page, 'Ringing').waitFor()
  assert((await page.title()).startsWith('+4930123456 rings'), `the tab does not say that it rings: ${await page.title()}`)
  await page.getByText('A call from +4930123456 rings, for sales.').waitFor({ state: 'attached' })
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).getByText('Answer').waitFor()
  await page.keyboard.press('Escape')
  await until('the list of keys is closed', async () => (await page.getByRole('dialog').count()) === 0)
  await answers(page)
  await press(page, 'h')
  await panel(page, 'Held').waitFor()
  await press(page, 'h')
  await panel(page, 'Established').waitFor()
  mock.desks.phone.record(call, 'Recording')
  await page.getByText('This call is recorded.').waitFor()
  await press(page, 'i')
  await page.getByText('The recording is paused').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, a recording that is paused')
  await press(page, 'i')
  await page.locator('[data-recording="Recording"]').waitFor()
  await page.keyboard.press('k')
  await page.keyboard.type('12#')
  await until('the digits have come', () => call.digits === '12#')
  await page.keyboard.press('Escape')
  await page.keyboard.press('c')
  await page.keyboard.type('7102')
  await page.keyboard.press('Enter')
  await page.locator('[data-panel="Established"][aria-label="Call with 7102"]').waitFor()
  await page.getByText('Consultation about the call with +4930123456').waitFor()
  await press(page, 'b')
  await page.locator('[data-panel="Established"][aria-label="Call with +4930123456"]').waitFor()
  await page.keyboard.press('c')
  await page.keyboard.type('7103')
  await page.keyboard.press('Enter')
  await page.locator('[data-panel="Established"][aria-label="Call with 7103"]').waitFor()
  await press(page, 't')
  await status(page, 'NotReady')
  await page.getByText('After-call work', { exact: true }).waitFor()
  await panel(page, 'Released').waitFor()
  await press(page, 'r')
  await status(page, 'Ready')
  await page.getByText('No calls.').waitFor()
  assertEqual(mock.desks.phone.calls.length, 0, 'calls that are not completed')
  await page.keyboard.press('n')
  await until('the focus is at the first reason', async () => (await focused()) === 'Without a reason')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByText('Lunch', { exact: true }).waitFor()
  await until('the focus is back', async () => (await focused()).startsWith('Not ready'))
  await page.getByRole('button', { name: 'Log out' }).press('Enter')
  await page.getByText('You are logged out.').waitFor()
  assert(asked(mock).includes('logout'), 'the server was not told')
  await finish(opened)
}

/** Several calls at once: the second rings while the first goes on; a conference; a call out; a transfer at once. */
export async function deskSeveralCalls({ browser, link, mock }) {
  const opened = await openReady(browser, link)
  const { page } = opened
  const { phone } = mock.desks
  phone.ring()
  await act(page, 'Answer').click()
  await panel(page, 'Established').waitFor()
  await until('the focus is not lost with the button', () => page.evaluate(() => document.activeElement?.closest('[data-panel]') !== null))
  // The second half of a double press does not undo the first: what answers becomes what holds, and that what takes back.
  const did = () => asked(mock).filter((path) => ['hold', 'retrieve'].includes(path))
  await act(page, 'Hold').dblclick()
  await panel(page, 'Held').waitFor()
  await press(page, 'h')
  await page.keyboard.press('h')
  await panel(page, 'Established').waitFor()
  await until('presses count again', async () => (await page.locator('button[aria-disabled="true"]').count()) === 0)
  assertEqual(did(), ['hold', 'retrieve'], 'what double presses have done')
  phone.ring({ number: '+33144556677', queue: 'support' })
  const list = page.getByRole('region', { name: 'My calls' })
  await list.getByText('+33144556677').waitFor()
  assert(await panel(page, 'Established').isVisible(), 'the call that goes on was pushed aside')
  assertEqual(await axeFinds(page), [], 'axe, with two calls')
  await list.getByRole('button', { name: 'Answer: +33144556677' }).click()
  await page.locator('[data-panel="Established"][aria-label="Call with +33144556677"]').waitFor()
  await list.locator('[data-call="Held"]').getByText('+4930123456').waitFor()
  await page.keyboard.press('1')
  await panel(page, 'Held').waitFor()
  await act(page, 'Transfer').click()
  await page.getByLabel('To whom?').fill('7 105')
  await page.getByLabel('To whom?').press('Enter')
  await page.getByLabel('To whom?').waitFor({ state: 'detached' })
  assertEqual(mock.desks.seen.find(({ path }) => path.endsWith('single-step-transfer'))?.data.destination, '7105', 'where it went')
  await page.keyboard.press('2')
  await act(page, 'Consult').click()
  await page.getByLabel('To whom?').fill('7106')
  await page.getByRole('main').getByRole('button', { name: 'Consult', exact: true }).last().click()
  await page.locator('[data-panel="Established"][aria-label="Call with 7106"]').waitFor()
  await act(page, 'Make a conference').click()
  await page.getByText('+33144556677, 7106').waitFor()
  await press(page, 'x')
  await page.keyboard.press('x')
  await list.locator('[data-call="Established"]').waitFor({ state: 'detached' })
  await page.keyboard.press('d')
  await page.keyboard.type('+49 30 99')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Enter')
  await page.locator('[data-panel="Established"][aria-label="Call with +493099"]').waitFor()
  assertEqual(asked(mock).filter((path) => path === 'make-call').length, 1, 'how often a number is called that is dialled by a double press')
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByText('End your calls first, then log out.').waitFor()
  // A sign-out in the line at the top would end them, too: it asks.
  await menuOf(page).click()
  await page.getByRole('button', { name: 'Sign out', exact: true }).click()
  const asks = page.getByRole('dialog', { name: 'Sign out during a call?' })
  await asks.getByText('You have a call.').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, a sign-out during a call')
  await asks.getByRole('button', { name: 'Stay here' }).click()
  await page.locator('[data-panel="Established"][aria-label="Call with +493099"]').waitFor()
  await finish(opened)
}

/** What came with the call is changed by fields, with the values of the tenant; notes are saved while they are written. */
export async function deskData({ browser, link, mock }) {
  const opened = await openReady(browser, link)
  const { page } = opened
  const call = mock.desks.phone.ring({ data: { CustomerName: 'Ines Iversen', Language: 'de' } })
  const value = (key) => call.userData.find((pair) => pair.key === key)?.value
  await act(page, 'Answer').click()
  await panel(page, 'Established').waitFor()
  const language = panel(page, 'Established').getByLabel('Language')
  await language.selectOption('fr')
  await until('the language is changed', () => value('Language') === 'fr')
  await page.getByLabel('CustomerName').fill('Ines Iversen-Kay')
  await page.getByText('Not saved yet.').waitFor()
  await page.getByLabel('CustomerName').press('Enter')
  await until('the name is changed', () => value('CustomerName') === 'Ines Iversen-Kay')
  await page.getByLabel('Result of the call').selectOption('Call back')
  await until('the result is there', () => value('DispositionCode') === 'call_back')
  await page.getByLabel('Notes').fill('wants an offer by Friday')
  await until('the notes are there', () => value('Notes') === 'wants an offer by Friday')
  // Another program changes the same call.
  call.userData = call.userData.map((pair) => (pair.key === 'Language' ? { ...pair, value: 'en' } : pair))
  mock.desks.phone.operateCall(call, 'update-user-data', { userData: [] })
  await until('what others change is shown', async () => (await language.inputValue()) === 'en')
  await page.getByText('Technical data').click()
  await page.getByText('RTargetObjectSelected').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, data of a call')
  mock.desks.phone.hangUp(call)
  await panel(page, 'Released').waitFor()
  // No pause is waited for: the call goes once they are taken.
  await page.getByLabel('Notes').fill('wants an offer by Monday')
  await act(page, 'Done with the call').click()
  await panel(page, 'Released').waitFor({ state: 'detached' })
  assertEqual(value('Notes'), 'wants an offer by Monday', 'notes after the call')
  await finish(opened)
}

/** The network away: it is said, what has happened is told afterwards, and all is right within a second of the return. */
export async function deskOffline({ browser, link, mock }) {
  const opened = await openReady(browser, link)
  const { page } = opened
  const { phone } = mock.desks
  const call = phone.ring()
  await act(page, 'Answer').click()
  await panel(page, 'Established').waitFor()
  mock.desks.goAway()
  await page.getByText('You are offline').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, offline')
  await act(page, 'Hold').click()
  await page.getByText('Hold did not work: the server does not answer.').waitFor()
  // What is written meanwhile is not saved, and is so by itself afterwards, though the call is over then.
  await page.getByLabel('Notes').fill('wants an offer by Friday')
  await page.getByText('saved as soon as the server is heard again').waitFor()
  await page.getByLabel('Result of the call').selectOption('Sold')
  phone.hangUp(call)
  phone.ring({ number: '+33144556677', queue: 'support' })
  phone.hangUp(phone.calls.at(-1))
  phone.ring({ number: '+442079460123' })
  mock.desks.comeBack()
  await triesNow(page)
  const began = Date.now()
  await page.getByText('While you were offline').waitFor()
  await page.locator('[data-call="Ringing"]').getByText('+442079460123').waitFor()
  assert(Date.now() - began < 5_000, `it took ${Date.now() - began} ms until it was right`)
  const missed = await page.locator('[data-connection="missed"]').innerText()
  for (const words of ['The call with +4930123456 has ended.', 'A call with +442079460123 has come.', 'Your status: After-call work.']) assert(missed.includes(words), `${words} is not in ${missed}`)
  assertEqual(await axeFinds(page), [], 'axe, what was missed')
  const value = (key) => call.userData.find((pair) => pair.key === key)?.value
  await until('what was written while offline is saved', () => value('Notes') === 'wants an offer by Friday' && value('DispositionCode') === 'sold')
  await page.getByRole('button', { name: 'I have read it' }).click()
  await page.locator('[data-connection]').waitFor({ state: 'detached' })
  // Others listen in its place: it says so, and hears again when somebody wants it to.
  for (const { hub } of mock.desks.sessions.values()) hub.replace()
  await page.getByText('The desktop is open in too many tabs').waitFor()
  await triesNow(page)
  await page.locator('[data-connection]').waitFor({ state: 'detached' })
  // It hears again.
  await press(page, 'a')
  await page.locator('[data-call="Established"]').waitFor()
  await finish(opened, isMeant)
}

/** A page that is loaded again goes on; a session that is over is begun anew, and the same phone found again. */
export async function deskGoesOn({ browser, link, mock }) {
  const opened = await openReady(browser, link)
  const { page } = opened
  mock.desks.phone.ring()
  await act(page, 'Answer').click()
  await panel(page, 'Established').waitFor()
  await page.reload()
  await panel(page, 'Established').waitFor()
  await status(page, 'Ready')
  mock.desks.endSessions()
  await page.getByText('Your session has ended').waitFor()
  await page.getByRole('button', { name: 'Start work' }).click()
  await status(page, 'NotReady')
  // Signed out in another tab: the desktop says so, and goes on after the sign-in.
  mock.setup.endSessions()
  mock.desks.endSessions()
  await page.getByText('you are not signed in any more.').waitFor()
  await page.locator('[data-banner="ended"]').waitFor()
  const other = await page.context().newPage()
  await other.goto(new URL('/session/sign-in?to=/desktop', page.url()).href)
  await page.bringToFront()
  await page.evaluate(() => dispatchEvent(new Event('focus')))
  // Whoever presses before the page knows of the sign-in presses once more.
  await until('the work goes on', async () => {
    const starts = page.getByRole('button', { name: 'Start work' })
    if (await starts.isVisible()) await starts.click({ timeout: 1_000 }).catch(() => undefined)
    return page.locator('[data-agent="NotReady"]').isVisible()
  })
  // Somebody else signs in in another tab: this one does not show their calls, and says so.
  mock.desks.takenBy('ben.bauer', 'Ben Bauer')
  mock.desks.phone.ring({ number: '+33155555555' })
  await page.locator('[data-banner="other"]').waitFor()
  await page.getByText('you are not signed in any more.').waitFor()
  assertEqual(await page.locator('[data-panel]').count(), 0, 'calls of another person are shown')
  await finish(opened, isMeant)
}

/** What does not work is said in words, with what to do. */
export async function deskTroubles({ browser, link }) {
  const opened = await openReady(browser, link)
  const { page } = opened
  const dial = async (number) => {
    await page.getByLabel('Name or number').fill(number)
    await page.getByRole('button', { name: 'Call', exact: true }).click()
  }
  await dial('00001')
  await page.getByText('Call did not work: this number cannot be called.').waitFor()
  await page.getByText('Check the number').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, a failure')
  await dial('7199')
  await page.getByText('Call did not work: the other side is busy').waitFor()
  assertEqual(await page.locator('[data-trouble]').count(), 1, 'what went wrong before is still said')
  await page.getByRole('button', { name: /^Close: / }).click()
  await page.locator('[data-trouble]').waitFor({ state: 'detached' })
  await finish(opened)
}

/** Ready, and no calls come: what was set at the phone is said, and ended here. Not ready during a call is said to come after it. */
export async function deskNoCalls({ browser, link, mock }) {
  const opened = await openReady(browser, link)
  const { page } = opened
  mock.desks.phone.set({ dnd: true, forwardTo: '+4915112345' })
  await page.getByText('Ready, but no calls come').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, do not disturb')
  await page.getByRole('button', { name: 'Switch it off' }).click()
  await page.locator('[data-no-calls="dnd-off"]').waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'End forwarding' }).click()
  await page.locator('[data-no-calls]').waitFor({ state: 'detached' })
  mock.desks.phone.ring()
  await answers(page)
  await page.keyboard.press('n')
  await page.getByRole('button', { name: 'Lunch' }).click()
  await page.getByText('Not ready after this call').waitFor()
  await finish(opened)
}

/** A place that there is not, another one, and a person who may not. */
export async function deskPlaces({ browser, link, mock }) {
  const { ADMINISTRATOR } = await import('../mock/setup.mjs')
  const opened = await openDesk(browser, link)
  const { page } = opened
  await page.getByLabel('Place').fill('Nowhere')
  await page.getByText('There is no place of this name.').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, a place that there is not')
  await page.getByLabel('Place').fill('P7103')
  await page.getByText('The phone of this place is 7103.').waitFor()
  await page.getByRole('button', { name: 'Start work' }).click()
  await page.getByText('Phone 7103').waitFor()
  await finish(opened, isMeant)
  mock.setup.account = { ...ADMINISTRATOR, privileges: ['administrator'] }
  const refused = await openDesk(browser, link)
  await refused.page.getByText('You may not use the desktop').waitFor()
  await finish(refused)
}

/** axe finds nothing: every theme, a phone's width, German. */
export async function deskAccessible({ browser, link, mock }) {
  const opened = await openReady(browser, link)
  const { page } = opened
  // In one column, as beside a CRM's page and on a phone, a call that rings is seen without looking for it.
  for (const [width, height] of [[400, 800], [320, 600]]) {
    await page.setViewportSize({ width, height })
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight))
    const rings = mock.desks.phone.ring({ data: { CustomerName: 'Ines Iversen', Language: 'de' } })
    await act(page, 'Answer').waitFor()
    await until(`Answer is in sight, ${width} wide`, async () => {
      const box = await act(page, 'Answer').boundingBox()
      return box !== null && box.y >= 0 && box.y + box.height <= height
    }, 5_000)
    mock.desks.phone.hangUp(rings)
    await panel(page, 'Ringing').waitFor({ state: 'detached' })
  }
  await page.setViewportSize({ width: 1280, height: 720 })
  mock.desks.phone.ring({ data: { CustomerName: 'Ines Iversen', Language: 'de' } })
  await act(page, 'Answer').click()
  await panel(page, 'Established').waitFor()
  await act(page, 'Keypad').click()
  for (const theme of ['dark', 'contrast', 'light']) {
    await chooseTheme(page, theme)
    assertEqual(await axeFinds(page), [], `axe, ${theme}`)
  }
  await page.setViewportSize({ width: 400, height: 800 })
  assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it scrolls sideways on a narrow screen')
  assertEqual(await axeFinds(page), [], 'axe, narrow')
  await page.setViewportSize({ width: 1280, height: 720 })
  await chooseLanguage(page, 'de')
  await panel(page, 'Established').waitFor()
  await page.getByRole('button', { name: 'Halten' }).waitFor()
  assertEqual(await axeFinds(page), [], 'axe, German')
  await menuOf(page).waitFor()
  await finish(opened)
}
