// The day of an agent at an installation: two agents and a supervisor, each in a browser of their own, whose pages are their phones. Who hears
// whom is told by a tone of each party.

import { existsSync } from 'node:fs'
import { end, localhostOf, openPage, startBrowser } from './browser.mjs'
import { assert, assertEqual, until } from './checks.mjs'
import { comesToHear, recordConnections } from './heard.mjs'
import { answers, panel, press } from './desk-page.mjs'

/** What the agent, the colleague, the caller and the supervisor say, as the test has it. */
const TONES = [440, 1_000, 1_750, 2_500]
const [AGENT, COLLEAGUE, CALLER, SUPERVISOR] = TONES
/** The people of the demo. */
const [ADA, BEN] = ['Ada Adler', 'Ben Brook']
const OF_BEN = { hasText: '7102' }
const NOT_OF_BEN = { hasNotText: '7102' }
const TOLD_WITHIN_MS = 240_000

/** What the browser itself says of answers that are no success, of none, and of a WebSocket that ends with its page or network. */
export const isMeant = (fault) => fault.includes('Failed to load resource') || fault.includes('WebSocket')
export const status = (page, state) => page.locator(`[data-agent="${state}"]`).waitFor()
export const phone = (page, phase) => page.locator(`[data-phone="${phase}"]`).waitFor()
const row = (page, phase, of) => page.getByRole('region', { name: 'My calls' }).locator(`[data-call="${phase}"]`, of)
const act = (page, name) => page.getByRole('group', { name: 'What you can do' }).getByRole('button', { name })
const hears = (page, wanted, words) => comesToHear(page, wanted, TONES, words)
/** No call is shown any more, in no phase. */
export const hasNoCall = (page) => until('no call is left at the desktop', async () => (await page.locator('[data-call], [data-panel]').count()) === 0)
/** What the panel says of the way of a call. */
const course = (page) => page.getByRole('region', { name: 'Before this' })
const afterCall = (page) => page.locator('[data-agent="NotReady"][data-work-mode="AfterCallWork"]').waitFor()

/**
 * The day, with two calls of a queue that the test makes when it reads `ready` and `back`. At other words the task goes on once a file of that
 * name is in the folder. `paths` are the folder, with the microphones of colleague and supervisor, and of each of the three (the agent first,
 * by whose microphone the given browser hears) user name and password.
 */
export async function deskDay({ browser, link, paths: [folder, ...people], say }) {
  const others = await Promise.all(['colleague', 'supervisor'].map((name) => startBrowser(localhostOf(link), `${folder}/${name}.wav`)))
  const pause = async (step) => {
    say(step)
    await until(`the word to go on behind ${step}`, () => existsSync(`${folder}/${step}`), TOLD_WITHIN_MS)
  }
  try {
    const opened = await Promise.all([browser, ...others].map((one, index) => beginsToWork(one, link, people.slice(2 * index))))
    const [agent, colleague, supervisor] = opened.map(({ page }) => page)
    await press(agent, 'r')
    await status(agent, 'Ready')
    say('ready')
    await takes(agent)
    await pause('taken')
    await supervises(supervisor, agent, pause)
    await consults(agent, colleague)
    await alternates(agent, pause)
    await confers(agent, colleague)
    await pause('conferred')
    await transfers(agent, colleague)
    await pause('transferred')
    await hangsUp(colleague)
    say('over')
    await wrapsUp(agent)
    await hasLunch(agent, supervisor)
    say('back')
    await takes(agent)
    await loadsAnew(agent)
    await pause('kept')
    await losesTheNetwork(agent, pause)
    await missesTheEnd(agent, pause)
    for (const page of [agent, colleague, supervisor]) await logsOut(page)
    await Promise.all(opened.map(({ close }) => close()))
    assertEqual(opened.map(({ faults }) => faults.filter((fault) => !isMeant(fault))), [[], [], []], 'faults of the pages')
  } finally {
    await Promise.all(others.map(end))
  }
}

/** Signs in and takes the own place, whose phone is the page; not ready yet. */
export async function beginsToWork(browser, link, [user, password]) {
  const opened = await openPage(browser, { width: 1280, height: 720, theme: 'light' })
  const { page } = opened
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
  return opened
}

/** A call of the queue: the panel says why it comes, it is answered, and the caller heard. */
async function takes(page) {
  await panel(page, 'Ringing').waitFor()
  const why = await page.locator('[data-why]').innerText()
  await answers(page)
  assertEqual(why, 'Why you: the call from sales asks for Sales 1 or more.', 'why the call has come')
  await hears(page, [CALLER], 'the agent hears the caller')
}

/** Two presses of a key, and what is left of the call is put away. */
export async function hangsUp(page) {
  await press(page, 'x')
  await page.keyboard.press('x')
  await panel(page, 'Established').waitFor({ state: 'detached' })
  await putsAway(page)
}

/** Is done with a call, where one is left. */
export async function putsAway(page) {
  await press(page, 'e')
  await panel(page, 'Released').waitFor({ state: 'detached' })
}

/** The supervisor finds the agent in the team, listens unheard, then whispers, which the agent alone hears, and leaves. */
async function supervises(supervisor, agent, pause) {
  await supervisor.keyboard.press('y')
  const team = supervisor.getByRole('region', { name: 'My team', exact: true })
  await team.locator('[data-member="talking"]', { hasText: ADA }).getByRole('button').click()
  const actions = supervisor.getByRole('region', { name: `What you can do with ${ADA}` })
  await actions.getByRole('button', { name: 'Listen' }).click()
  await answers(supervisor)
  await Promise.all([hears(supervisor, [AGENT, CALLER], 'the supervisor listens'), hears(agent, [CALLER], 'the agent does not hear who listens')])
  await pause('listened')
  await actions.getByRole('button', { name: 'Whisper' }).click()
  await Promise.all([hears(agent, [CALLER, SUPERVISOR], 'the agent hears who whispers'), hears(supervisor, [AGENT, CALLER], 'who whispers hears both')])
  await pause('whispered')
  await hangsUp(supervisor)
  await hears(agent, [CALLER], 'the agent hears the caller alone again')
}

/** From the directory a colleague is asked about the call. */
async function consults(agent, colleague) {
  await agent.keyboard.press('f')
  await agent.keyboard.type(BEN)
  const found = agent.getByRole('region', { name: 'Directory' }).locator(`[data-target="${BEN}"]`)
  await found.getByRole('button', { name: `Consult: ${BEN}` }).click()
  await answers(colleague)
  await panel(agent, 'Established').and(agent.getByLabel('Call with 7102')).waitFor()
  await Promise.all([hears(agent, [COLLEAGUE], 'the agent hears the colleague'), hears(colleague, [AGENT], 'the colleague hears the agent')])
}

/** Back to the caller, and to the colleague again. */
async function alternates(agent, pause) {
  await press(agent, 's')
  await row(agent, 'Held', OF_BEN).waitFor()
  await hears(agent, [CALLER], 'the agent hears the caller between two words with the colleague')
  await pause('alternated')
  await row(agent, 'Established', NOT_OF_BEN).getByRole('button').click()
  await panel(agent, 'Established').waitFor()
  await press(agent, 's')
  await row(agent, 'Held', NOT_OF_BEN).waitFor()
  await row(agent, 'Established', OF_BEN).getByRole('button').click()
  await hears(agent, [COLLEAGUE], 'the agent hears the colleague again')
}

/** All three in one call. */
async function confers(agent, colleague) {
  await panel(agent, 'Established').and(agent.getByLabel('Call with 7102')).waitFor()
  await press(agent, 'j')
  await agent.locator('[data-panel="Established"]:not([aria-label="Call with 7102"])', OF_BEN).waitFor()
  await Promise.all([hears(agent, [COLLEAGUE, CALLER], 'the agent in the conference'), hears(colleague, [AGENT, CALLER], 'the colleague in the conference')])
}

/** The colleague leaves the conference; then the call goes over whole. */
async function transfers(agent, colleague) {
  await hangsUp(colleague)
  await hears(agent, [CALLER], 'the agent hears the caller when the colleague has left')
  // A conference is not handed over: it has to be seen that it is none any more.
  await act(agent, 'Transfer').waitFor()
  await press(agent, 't')
  const to = agent.getByRole('combobox', { name: 'To whom?' })
  await to.fill(BEN)
  await agent.getByRole('listbox').getByRole('option').getByText(BEN).waitFor()
  await to.press('Enter')
  await answers(colleague)
  await hears(colleague, [CALLER], 'the colleague hears the caller that was transferred')
}

/** After-call work, ended by the agent. */
async function wrapsUp(agent) {
  await afterCall(agent)
  await putsAway(agent)
  await hasNoCall(agent)
  await press(agent, 'r')
  await status(agent, 'Ready')
}

/** Not ready with a reason, which the supervisor sees, and ready again. */
async function hasLunch(agent, supervisor) {
  await agent.keyboard.press('n')
  await agent.getByRole('group', { name: 'Why are you not ready?' }).getByRole('button', { name: 'Lunch' }).click()
  await status(agent, 'NotReady')
  await agent.getByRole('region', { name: 'My status' }).getByText('Lunch break', { exact: true }).waitFor()
  const team = supervisor.getByRole('region', { name: 'My team', exact: true })
  await team.locator('[data-member="notReady"]', { hasText: ADA }).filter({ hasText: 'Lunch' }).waitFor()
  await press(agent, 'r')
  await status(agent, 'Ready')
}

/** The page is loaded anew in the call, which goes on. */
async function loadsAnew(agent) {
  await agent.reload()
  await panel(agent, 'Established').waitFor()
  await phone(agent, 'ready')
  await course(agent).getByText(/[Ww]aited .* in sales\.?$/).first().waitFor()
  await hears(agent, [CALLER], 'the agent hears the caller when the page was loaded anew')
}

/** The network goes; at that word something happens to the call, so that no poll goes on waiting for what it cannot be told. */
export async function isCutOff(agent, pause, word) {
  await agent.context().setOffline(true)
  await pause(word)
  await agent.getByText('You are offline').waitFor()
}

/** The network is lost and comes back: the panel is right, with what came meanwhile, and the phone of the page has another connection. */
async function losesTheNetwork(agent, pause) {
  await isCutOff(agent, pause, 'cut')
  const another = agent.waitForEvent('websocket')
  await agent.context().setOffline(false)
  await agent.locator('[data-connection]').waitFor({ state: 'detached' })
  const ticket = panel(agent, 'Established').getByLabel('Ticket')
  await until('what was told meanwhile is there', async () => (await ticket.inputValue()) === 'cut')
  await another
  await phone(agent, 'ready')
  await course(agent).getByText(/[Ww]aited .* in sales\.?$/).first().waitFor()
  await hears(agent, [CALLER], 'the agent hears the caller when the network is back')
  await pause('reconnected')
}

/** The network is lost once more, and the caller goes meanwhile: the page says so, and does not show a call that is over. */
async function missesTheEnd(agent, pause) {
  await isCutOff(agent, pause, 'lost')
  await pause('gone')
  await agent.context().setOffline(false)
  const note = agent.locator('[data-connection="missed"]')
  await note.waitFor()
  const missed = await note.innerText()
  for (const words of [/The call with \S+ has ended\./, /Your status: After-call work/]) assert(words.test(missed), `${words} is not in ${missed}`)
  await panel(agent, 'Established').waitFor({ state: 'detached' })
  await afterCall(agent)
  await agent.getByRole('button', { name: 'I have read it' }).click()
  await putsAway(agent)
  await hasNoCall(agent)
  // The end of the call is not that of its after-call work.
  await afterCall(agent)
}

/** With no call left, as every page has come to the end of its calls. */
export async function logsOut(page) {
  await hasNoCall(page)
  await page.getByRole('region', { name: 'My status' }).getByRole('button', { name: 'Log out' }).click()
  await page.getByText('You are logged out.').waitFor()
  await until('the phone is gone', async () => (await page.locator('[data-phone]').count()) === 0)
}
