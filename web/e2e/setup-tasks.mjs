// What administrators do in Agent Setup, as tasks. Each signs in as the mock does: by a press.

import { end, openPage } from './browser.mjs'
import { assert, assertEqual, axeFinds, chooseLanguage, menuOf, until } from './checks.mjs'
import { dialog, finish, go, isMeant, openSetup, review, save } from './setup-steps.mjs'

/** By keys alone: sign in, a new person with a skill, what will change, saved, and back in the list. */
export async function setupByKeyboard({ browser, link }) {
  const opened = await openPage(browser, { width: 1280, height: 720, theme: 'light' })
  const { page } = opened
  await page.goto(new URL('/agent-setup/', link).href.split('#')[0])
  await page.getByRole('main').getByRole('link', { name: 'Sign in' }).waitFor()
  const focused = () => page.evaluate(() => [document.activeElement?.labels?.[0]?.textContent, document.activeElement?.ariaLabel, document.activeElement?.textContent].find((words) => words?.trim())?.trim() ?? '')
  const tabTo = async (words) => {
    for (let tries = 0; tries < 60; tries += 1) {
      await page.keyboard.press('Tab')
      if ((await focused()).startsWith(words)) return
    }
    throw new Error(`Tab never reaches ${words}, the last was ${await focused()}`)
  }
  await page.keyboard.press('Tab')
  assertEqual(await focused(), 'Skip to the content', 'what the first Tab reaches')
  await page.keyboard.press('Enter')
  await tabTo('Sign in')
  await page.keyboard.press('Enter')
  await page.getByRole('link', { name: 'ada.adler', exact: true }).waitFor()
  await page.keyboard.press('?')
  await dialog(page, 'Keyboard shortcuts').getByText('New person').waitFor()
  await page.keyboard.press('Escape')
  await until('the list of keys is closed', async () => (await page.getByRole('dialog').count()) === 0)
  await page.keyboard.press('n')
  await page.getByRole('heading', { name: 'New person' }).waitFor()
  await until('the focus is at the first field', async () => (await focused()).startsWith('User name'))
  await page.keyboard.type('nora.new')
  for (const [label, words] of [['First name', 'Nora'], ['Last name', 'New'], ['E-mail', 'nora@centre.example'], ['New password', 'a long password']]) {
    await tabTo(label)
    await page.keyboard.type(words)
  }
  await tabTo('Agent')
  await page.keyboard.press('Space')
  await tabTo('Takes calls as an agent')
  await page.keyboard.press('Space')
  await tabTo('Agent id')
  await page.keyboard.type('n1')
  await tabTo('Place')
  await page.keyboard.type('P7101')
  await tabTo('+ Add a skill')
  await page.keyboard.press('Enter')
  await until('the focus is in the new row', async () => (await focused()).startsWith('Skill'))
  await page.keyboard.type('French')
  await tabTo('Level')
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.type('4')
  await page.keyboard.press('Control+Enter')
  await dialog(page, 'This will change').waitFor()
  const shown = await page.getByRole('dialog').innerText()
  for (const words of ['nora.new', 'French 4', '(a new one)']) assert(shown.includes(words), `${words} is not in ${shown}`)
  assert(!shown.includes('a long password'), 'the password is shown')
  await tabTo('Save')
  await page.keyboard.press('Enter')
  await page.getByText('nora.new is created.').waitFor()
  await page.getByRole('heading', { name: 'nora.new', level: 1 }).waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('p')
  await page.getByRole('heading', { name: 'People', level: 1 }).waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type('nora')
  await until('she alone is found', async () => (await page.locator('[data-object]').count()) === 1)
  assert((await page.locator('[data-object="nora.new"]').innerText()).includes('French 4'), 'her skill is not in the list')
  assert(page.url().includes('q=nora'), 'the search is not in the address')
  await finish(opened)
}

/** Faults are said at their fields, those of the page and those of the server; what was typed stays. */
export async function setupFaults({ browser, link }) {
  const opened = await openSetup(browser, link)
  const { page } = opened
  await page.getByRole('link', { name: 'New person' }).click()
  await page.getByLabel('Takes calls as an agent').check()
  await page.getByLabel('New password').fill('short')
  await review(page).click()
  const summary = page.getByRole('alert').filter({ hasText: 'Nothing is saved yet' })
  await until('the focus is at the summary', () => summary.evaluate((element) => element === document.activeElement))
  assertEqual(await axeFinds(page), [], 'axe, with faults')
  assert(await page.getByLabel('User name').evaluate((input) => input.getAttribute('aria-invalid') === 'true' && document.getElementById(input.getAttribute('aria-describedby').split(' ').at(-1)).textContent.includes('It is needed.')), 'the fault is not at its field')
  await summary.getByRole('link', { name: 'Agent id' }).click()
  assert(await page.getByLabel('Agent id').evaluate((input) => input === document.activeElement), 'the summary does not lead to the field')
  await page.getByLabel('New password').fill('a long password')
  await page.getByLabel('User name').fill('new.one')
  await page.getByLabel('First name').fill('New')
  await page.getByLabel('Last name').fill('One')
  await page.getByLabel('Agent id').fill('a7101')
  await page.getByRole('button', { name: 'Add a skill' }).click()
  await page.getByLabel('Skill, row 1').fill('Patience')
  await review(page).click()
  await summary.getByText('ada.adler has a7101 already').waitFor()
  const texts = await summary.innerText()
  assert(texts.includes('Skills: Skill Patience does not exist.'), texts)
  const skill = page.getByLabel('Skill, row 1')
  assertEqual(await skill.getAttribute('aria-invalid'), 'true', 'the cell of the row that is at fault')
  await summary.getByRole('link', { name: 'Skills' }).click()
  assert(await skill.evaluate((input) => input === document.activeElement), 'the summary does not lead to the cell')
  assertEqual(await axeFinds(page), [], 'axe, with a faulty cell')
  assertEqual(await page.getByLabel('New password').inputValue(), 'a long password', 'what was typed')
  await page.getByLabel('Agent id').fill('n1')
  await page.getByRole('button', { name: 'Remove Patience' }).click()
  await review(page).click()
  await dialog(page, 'This will change').getByRole('button', { name: 'Back' }).click()
  await until('the focus is back at the button', () => review(page).evaluate((button) => button === document.activeElement))
  // Also in a field, which was frozen meanwhile.
  await page.getByLabel('Last name').press('Control+Enter')
  await dialog(page, 'This will change').getByRole('button', { name: 'Back' }).click()
  await until('the focus is back in the field', () => page.getByLabel('Last name').evaluate((input) => input === document.activeElement))
  // Whoever leaves is asked.
  await page.getByRole('link', { name: 'Skills' }).click()
  await dialog(page, 'Leave without saving?').getByRole('button', { name: 'Stay here' }).click()
  assertEqual(await page.getByLabel('User name').inputValue(), 'new.one', 'what was typed')
  await page.getByRole('link', { name: 'Skills' }).click()
  await dialog(page, 'Leave without saving?').getByRole('button', { name: 'Leave without saving' }).click()
  await page.getByRole('heading', { name: 'Skills', level: 1 }).waitFor()
  await finish(opened, isMeant)
}

/** Somebody else changes the same person: theirs is shown, mine is kept, and what only they have changed stays. */
export async function setupConflict({ browser, link, mock }) {
  const opened = await openSetup(browser, link)
  const { page } = opened
  await page.getByRole('link', { name: 'ada.adler', exact: true }).click()
  await page.getByLabel('Last name').fill('Mine')
  mock.setup.changeBy('alan.turing', 'person', 'ada.adler', { last_name: 'Theirs', email: 'ada@centre.example' })
  await review(page).click()
  const conflict = dialog(page, 'Somebody else has changed ada.adler')
  await conflict.getByText('Theirs', { exact: true }).last().waitFor()
  const words = await conflict.innerText()
  for (const part of ['Adler', 'Mine', 'ada@centre.example', 'changed by both']) assert(words.includes(part), `${part} is not in ${words}`)
  assertEqual(await axeFinds(page), [], 'axe, with a conflict')
  await conflict.getByRole('button', { name: 'Keep mine' }).click()
  const changes = await dialog(page, 'This will change').innerText()
  assert(changes.includes('Theirs') && changes.includes('Mine') && !changes.includes('ada@centre.example'), changes)
  await save(page).click()
  await page.getByText('ada.adler is saved.').waitFor()
  assertEqual([mock.setup.get('person', 'ada.adler').object.last_name, mock.setup.get('person', 'ada.adler').object.email], ['Mine', 'ada@centre.example'], 'what is stored')
  // And theirs is taken.
  await page.getByLabel('First name').fill('Mine, too')
  mock.setup.changeBy('alan.turing', 'person', 'ada.adler', { first_name: 'Theirs, too' })
  await review(page).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Take theirs' }).click()
  await until('the form has theirs', async () => (await page.getByLabel('First name').inputValue()) === 'Theirs, too')
  await finish(opened, isMeant)
}

const HEAD = 'user_name,first_name,last_name,disabled,skills,agent_id'

/** A table of people: each faulty line is named; corrected, it is shown what comes, and taken. */
export async function setupTable({ browser, link, mock }) {
  const opened = await openSetup(browser, link)
  const { page } = opened
  await page.getByRole('link', { name: 'Import CSV' }).click()
  const choose = (lines) => page.getByLabel('CSV file').setInputFiles({ name: 'people.csv', mimeType: 'text/csv', buffer: Buffer.from([HEAD, ...lines, ''].join('\n')) })
  await choose(['nia.one,Nia,One,false,Sales=3,t1', 'bob.two,Bob,Two,perhaps,Sales=3,t2', 'cy.three,Cy,Three,false,Sales=much,t3'])
  await page.getByText('people.csv has 2 faults').waitFor()
  assertEqual(await page.locator('tbody tr').allInnerTexts().then((rows) => rows.map((row) => row.split('\t').slice(0, 2))), [['3', 'disabled'], ['4', 'skills']], 'the faulty lines')
  assertEqual(await axeFinds(page), [], 'axe, with a faulty table')
  assert(mock.setup.get('person', 'nia.one') === undefined, 'a faulty table was taken')
  await choose(['nia.one,Nia,One,false,Sales=3,t1', 'bob.two,Bob,Two,false,Patience=3,t2'])
  await page.getByText('Skill Patience does not exist.').waitFor()
  await choose(['nia.one,Nia,One,false,Sales=3,t1', 'ada.adler,Ada,Adler,true,Sales=5,a7101'])
  await page.getByText('people.csv is in order: 2 lines, 2 changes').waitFor()
  assert(mock.setup.get('person', 'nia.one') === undefined, 'a dry run was taken')
  // A colleague changes one of them between the check and the import: the line is named, and nothing is taken.
  mock.setup.changeBy('alan.turing', 'person', 'ada.adler', { email: 'ada@centre.example' })
  await page.getByRole('button', { name: 'Import now' }).click()
  await page.getByText('People of this table were changed since it was checked').waitFor()
  assertEqual(await page.locator('tbody tr').allInnerTexts().then((rows) => rows.map((row) => row.split('\t')[0])), ['3'], 'the line of who was changed')
  assertEqual(await axeFinds(page), [], 'axe, with a table that is outdated')
  assert(mock.setup.get('person', 'nia.one') === undefined, 'what was not shown was taken')
  await page.getByRole('button', { name: 'Check again' }).click()
  await page.getByText('people.csv is in order: 2 lines, 2 changes').waitFor()
  await page.getByRole('button', { name: 'Import now' }).click()
  await page.getByRole('link', { name: 'nia.one', exact: true }).waitFor()
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Export as CSV' }).click()])
  assertEqual(download.suggestedFilename(), 'people.csv', 'the name of the exported table')
  await finish(opened, isMeant)
}

/** What is used cannot be deleted, and it is said by whom; what is not goes after a look. */
export async function setupDelete({ browser, link, mock }) {
  const opened = await openSetup(browser, link)
  const { page } = opened
  await go(page, '/agent-setup/skills/Support')
  await page.getByText('What uses this?').click()
  await page.getByRole('complementary').getByRole('link', { name: 'Person ben.adler' }).waitFor()
  await page.getByRole('button', { name: 'Delete …' }).click()
  await page.getByRole('alert').getByText('Person ben.adler: Skills: Skill Support does not exist.').waitFor()
  // An application that names it refuses nothing; it is said all the same.
  await go(page, '/agent-setup/prompts/sales-welcome')
  await page.getByText('What uses this?').click()
  await page.getByRole('complementary').getByText('Named in applications').waitFor()
  await page.getByRole('complementary').getByRole('link', { name: 'Application sales' }).waitFor()
  await go(page, '/agent-setup/skills/French')
  await page.getByRole('button', { name: 'Delete …' }).click()
  await dialog(page, 'This will be deleted').getByText('Nothing refers to it.').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click()
  await page.getByText('French is deleted.').waitFor()
  await until('it is not in the list', async () => (await page.getByRole('link', { name: 'French' }).count()) === 0)
  assert(mock.setup.get('skill', 'French') === undefined, 'it is still stored')
  await finish(opened, isMeant)
}

/** Several people get a skill at once; those who are no agents are left out, in words. */
export async function setupBulk({ browser, link, mock }) {
  mock.setup.account = { ...mock.setup.account, user: 'ada.adler' }
  const opened = await openSetup(browser, link)
  const { page } = opened
  await page.getByLabel('Select ada.adler').check()
  await page.getByLabel('Select ben.adler').check()
  const bar = page.getByRole('region', { name: 'Change the selected people' })
  await bar.getByLabel('Skill').fill('French')
  await bar.getByLabel('Level').fill('3')
  await bar.getByRole('button', { name: 'Give skill' }).click()
  const shown = await dialog(page, '2 entries will change').innerText()
  assert(shown.includes('Sales 5, French 3'), shown)
  assertEqual(await axeFinds(page), [], 'axe, before a change of several')
  await save(page).click()
  await page.getByText('2 people changed.').waitFor()
  assertEqual(mock.setup.get('person', 'ben.adler').object.agent.skills.at(-1), { skill: 'French', level: 3 }, 'what is stored')
  await page.getByLabel('Select ada.adler').check()
  await bar.getByRole('button', { name: 'Disable' }).click()
  await page.getByRole('dialog').getByText('Your own account is among this').waitFor()
  await save(page).click()
  await page.getByText('1 person changed.').waitFor()
  await page.getByLabel('Who').selectOption('true')
  await until('the disabled one alone is listed', async () => (await page.locator('[data-object]').count()) === 1)
  await finish(opened)
}

/** The tenant's own settings: a fault of the server at its field, a provider that comes with its secret, and no way to delete the tenant. */
export async function setupTenant({ browser, link, mock }) {
  const opened = await openSetup(browser, link)
  const { page } = opened
  await page.getByRole('navigation', { name: 'Sections' }).getByRole('link', { name: 'Tenant', exact: true }).click()
  await page.getByRole('heading', { name: 'Tenant', level: 1 }).waitFor()
  await page.getByLabel('Time zone').fill('Nowhere')
  await page.getByLabel('Rings for').fill('0')
  await page.getByText('All agents', { exact: true }).click()
  const idle = page.getByLabel('Log out who does nothing, after')
  await idle.fill('1.000')
  await review(page).click()
  const summary = page.getByRole('alert').filter({ hasText: 'Nothing is saved yet' })
  await summary.getByText('It is a whole number from 1 to 600.').waitFor()
  await summary.getByText('It is a whole number from 0 to 1440, in digits alone, as 1000.').waitFor()
  await page.getByLabel('Rings for').fill('20')
  await idle.fill('30')
  await review(page).click()
  await summary.getByText('There is no time zone Nowhere.').waitFor()
  assert(await page.getByLabel('Time zone').evaluate((input) => document.getElementById(input.getAttribute('aria-describedby').split(' ').at(-1)).textContent.includes('There is no time zone Nowhere.')), 'the fault is not at its field')
  assert(await idle.isVisible(), 'the group has closed with its fault')
  await page.getByLabel('Time zone').fill('Europe/Vienna')
  await page.getByText('The company’s own sign-in (OpenID Connect)').click()
  await page.getByLabel(/^People sign in with the company’s provider/).check()
  await page.getByLabel('What people call it').fill('Acme ID')
  await page.getByLabel('Issuer').fill('https://id.acme.example')
  await page.getByLabel('Client id there').fill('trunkline')
  await page.getByLabel('Secret there', { exact: true }).fill('hush hush')
  assertEqual(await axeFinds(page), [], 'axe, the settings of the tenant')
  await review(page).click()
  const shown = await dialog(page, 'This will change').innerText()
  for (const words of ['Rings for', '20', 'Europe/Vienna', 'Acme ID', '(a new one)']) assert(shown.includes(words), `${words} is not in ${shown}`)
  assert(!shown.includes('hush hush'), 'the secret is shown')
  await save(page).click()
  await page.getByText('Tenant is saved.').waitFor()
  const { object } = mock.setup.get('tenant', '-')
  assertEqual([object.no_answer_s, object.time_zone, object.sign_in.upstream.client_id, object.hold_music], [20, 'Europe/Vienna', 'trunkline', 'music'], 'what is stored')
  assertEqual(await page.getByRole('button', { name: 'Delete …' }).count(), 0, 'ways to delete the tenant')
  await finish(opened, isMeant)
}

/** Rules about numbers: a new one stands last, the keyboard moves it up, and the order is saved after it was shown. */
export async function setupDialRules({ browser, link, mock }) {
  const opened = await openSetup(browser, link)
  const { page } = opened
  await page.keyboard.press('g')
  await page.keyboard.press('o')
  await page.getByRole('heading', { name: 'Dial rules', level: 1 }).waitFor()
  const names = () => page.locator('[data-object]').evaluateAll((rows) => rows.map((row) => row.dataset.object))
  await until('the rules are there', async () => (await names()).length === 4)
  assertEqual(await names(), ['emergency', 'premium', 'outside', 'daily'], 'the order of the rules')
  await page.getByRole('link', { name: 'New dial rule' }).click()
  await page.getByLabel(/^Name/).fill('far')
  await page.getByLabel('What it does').selectOption('limit')
  await page.getByLabel('Numbers that it is about').fill('+1.')
  assertEqual(await page.getByLabel('Position').inputValue(), '4', 'the place of a new rule')
  await review(page).click()
  await page.getByRole('alert').getByText('It or “Minutes of calls in a day” is needed.').waitFor()
  await page.getByLabel('Minutes of calls in a day').fill('30')
  await review(page).click()
  await save(page).click()
  await page.getByText('far is created.').waitFor()
  await go(page, '/agent-setup/dial-rules')
  const up = page.getByRole('button', { name: 'Move far up' })
  await up.focus()
  await page.keyboard.press('Enter')
  await page.getByText('far is number 4 of 5 now, not saved yet.').waitFor()
  await until('the focus moves with the rule', () => up.evaluate((button) => button === document.activeElement))
  await page.keyboard.press('Enter')
  await page.getByText('far is number 3 of 5 now, not saved yet.').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, with a rule that was moved')
  // Whoever leaves is asked.
  await page.getByRole('navigation', { name: 'Sections' }).getByRole('link', { name: 'Skills' }).click()
  await dialog(page, 'Leave without saving?').getByRole('button', { name: 'Stay here' }).click()
  await page.getByRole('button', { name: 'Review the order' }).click()
  await dialog(page, '3 entries will change').waitFor()
  await save(page).click()
  await page.getByText('The order is saved.').waitFor()
  assertEqual(await names(), ['emergency', 'premium', 'far', 'outside', 'daily'], 'the order of the rules')
  assertEqual(['far', 'outside', 'daily'].map((name) => mock.setup.get('dial_rule', name).object.place), [2, 3, 4], 'what is stored')
  const isInList = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label') === 'Dial rules')
  await until('the focus goes to the list', isInList)
  const top = page.getByRole('button', { name: 'Move daily to the top' })
  await top.press('Enter')
  await page.getByText('daily is number 1 of 5 now, not saved yet.').waitFor()
  await until('the focus moves to the top', () => top.evaluate((button) => button === document.activeElement))
  await page.getByRole('button', { name: 'Order of before' }).press('Enter')
  await until('the focus goes back to the list', isInList)
  assertEqual(await names(), ['emergency', 'premium', 'far', 'outside', 'daily'], 'the order of before')
  await finish(opened, isMeant)
}

/** The server is away, and comes back; the session ends, and another tab signs in: what was typed stays. */
export async function setupOutage({ browser, link, mock }) {
  const opened = await openSetup(browser, link)
  const { page } = opened
  await page.getByRole('link', { name: 'ada.adler', exact: true }).click()
  await page.getByLabel('Last name').fill('Typed')
  mock.setup.isAway = true
  await review(page).click()
  await page.locator('[data-banner="unreachable"]').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, without a server')
  mock.setup.isAway = false
  await page.locator('[data-banner="unreachable"]').getByRole('button', { name: 'Try now' }).click()
  await until('the banner goes', async () => (await page.locator('[data-banner]').count()) === 0)
  mock.setup.endSessions()
  await review(page).click()
  const ended = page.locator('[data-banner="ended"]')
  await ended.waitFor()
  assertEqual(await page.getByLabel('Last name').inputValue(), 'Typed', 'what was typed')
  const [other] = await Promise.all([page.context().waitForEvent('page'), ended.getByRole('link', { name: 'Sign in again' }).click()])
  await other.getByRole('link', { name: 'ada.adler', exact: true }).waitFor()
  await end(other)
  // At once, also before the page has asked who has signed in.
  await review(page).click()
  await until('the banner goes', async () => (await ended.count()) === 0)
  await save(page).click()
  await page.getByText('ada.adler is saved.').waitFor()
  await menuOf(page).click()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByRole('link', { name: 'Sign in' }).first().waitFor()
  await finish(opened, isMeant)
}

/** Who is no administrator is told so, and finds the way to what they may use. */
export async function setupNotAllowed({ browser, link, mock }) {
  mock.setup.account = { ...mock.setup.account, user: 'sue', name: 'Sue Page', privileges: ['supervisor', 'view_dashboard'] }
  const opened = await openPage(browser, { width: 1280, height: 720 })
  const { page } = opened
  await page.goto(new URL('/agent-setup/', link).href.split('#')[0])
  await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click()
  await page.getByText('Sue Page may not use Agent Setup').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, for who may not')
  await page.getByRole('link', { name: 'Dashboards' }).click()
  // No token: the cookie is enough.
  await page.getByText('Live', { exact: true }).waitFor()
  assertEqual(await page.getByRole('link', { name: 'Agent Setup' }).count(), 0, 'ways to where one may not go')
  await finish(opened)
}

/** Who looks after folders alone is offered what folders give, and nothing of what concerns the whole tenant. */
export async function setupOfFolders({ browser, link, mock }) {
  mock.setup.account = { ...mock.setup.account, user: 'fay', name: 'Fay Folder', privileges: ['folder_administrator'] }
  const opened = await openSetup(browser, link)
  const { page } = opened
  assertEqual(await page.getByRole('link', { name: 'New person' }).count(), 1, 'ways to make a person')
  for (const [path, title, what] of [['trunks', 'Trunks', 'New trunk'], ['roles', 'Roles', 'New role'], ['dial-rules', 'Dial rules', 'New dial rule'], ['api-keys', 'API keys', 'New API key']]) {
    await go(page, `/agent-setup/${path}`)
    await page.getByRole('heading', { name: title, level: 1 }).waitFor()
    await page.keyboard.press('n')
    await page.keyboard.press('?')
    const keys = dialog(page, 'Keyboard shortcuts')
    await keys.waitFor()
    assertEqual(await page.getByText(what, { exact: true }).count(), 0, `ways to what is refused at ${path}`)
    await page.keyboard.press('Escape')
    await until('the list of keys is closed', async () => (await keys.count()) === 0)
  }
  await finish(opened)
}

/** Designers and integrators look at all of it, and are offered nothing that the server refuses. */
export async function setupOfReaders({ browser, link, mock }) {
  mock.setup.account = { ...mock.setup.account, user: 'dina', name: 'Dina Designer', privileges: ['designer', 'view_dashboard'], scopes: ['config:read', 'trace:read', 'statistics:read'] }
  const opened = await openSetup(browser, link)
  const { page } = opened
  const none = async (what, where) => assertEqual(await what.count(), 0, `ways to what is refused at ${where}`)
  await page.getByText('You can look at everything here.').waitFor()
  await none(page.getByRole('link', { name: 'New person' }), 'people')
  await none(page.getByRole('link', { name: 'Import' }), 'people')
  await none(page.getByRole('checkbox'), 'people')
  assertEqual(await axeFinds(page), [], 'axe, for who reads')
  await go(page, '/agent-setup/skills/Sales')
  await page.getByRole('heading', { name: 'Sales', level: 1 }).waitFor()
  assertEqual(await page.locator('#field-name').isDisabled(), true, 'what cannot be typed')
  await none(review(page), 'a skill')
  await none(page.getByRole('button', { name: 'Delete' }), 'a skill')
  await none(page.getByRole('button', { name: /^Restore/ }), 'a skill')
  await go(page, '/agent-setup/new/skills')
  await page.getByText('/agent-setup/new/skills').waitFor()
  await go(page, '/agent-setup/applications')
  await page.getByRole('link', { name: 'sales', exact: true }).waitFor()
  await page.getByRole('link', { name: 'Dashboards' }).click()
  await page.getByRole('link', { name: 'Traces' }).waitFor()
  await finish(opened)
}

const PAGES = [
  '/agent-setup/people',
  '/agent-setup/people/ben.adler',
  '/agent-setup/new/people',
  '/agent-setup/import',
  '/agent-setup/history',
  '/agent-setup/skills/Sales',
  '/agent-setup/places/P7101',
  '/agent-setup/dns',
  '/agent-setup/dns/7101',
  '/agent-setup/new/dns?type=announcement',
  '/agent-setup/numbers/%2B15550100',
  '/agent-setup/queues',
  '/agent-setup/queues/9000',
  '/agent-setup/applications/sales',
  '/agent-setup/prompts/music',
  '/agent-setup/trunks/carrier',
  '/agent-setup/hours/office',
  '/agent-setup/feature-codes/*50',
  '/agent-setup/clients/reports',
  '/agent-setup/dial-rules',
  '/agent-setup/dial-rules/daily',
  '/agent-setup/new/dial-rules',
  '/agent-setup/tenant',
  '/agent-setup/agent-groups',
  '/agent-setup/agent-groups/Day%20team',
  '/agent-setup/new/agent-groups',
  '/agent-setup/place-groups/Floor%202',
  '/agent-setup/action-codes',
  '/agent-setup/action-codes/1',
  '/agent-setup/lists/Branches',
  '/agent-setup/business-attributes',
  '/agent-setup/business-attributes/Language',
  '/agent-setup/dn-groups',
  '/agent-setup/dn-groups/Entries',
  '/agent-setup/trunk-groups/Germany',
  '/agent-setup/calling-lists/Spring%20offers',
  '/agent-setup/campaigns/Spring',
  '/agent-setup/campaign-groups/Spring%20by%20day',
  '/agent-setup/ivr-profiles/Support%20menu',
  '/agent-setup/new/ivr-profiles',
  '/agent-setup/statistic-definitions/Answered',
  '/agent-setup/new/statistic-definitions',
  '/agent-setup/capacity-rules/One%20call',
  '/agent-setup/transactions/Short',
  '/agent-setup/new/transactions',
  '/agent-setup/switches/Berlin',
  '/agent-setup/agent-logins/5001',
  '/agent-setup/access-groups/Berlin',
  '/agent-setup/roles/Leads',
  '/agent-setup/folders/Berlin',
  '/agent-setup/api-keys',
  '/agent-setup/sign-ins',
  '/agent-setup/nothing',
]

/** Every page in both languages, light and dark, at a desk and on a phone: nothing for axe, nothing wider than the screen. */
export async function setupAccessible({ browser, link }) {
  const opened = await openSetup(browser, link)
  const { page } = opened
  // Of each two of language, colours and width every pair.
  for (const [language, looks] of [['en', [[1280, 720, 'light'], [390, 844, 'dark']]], ['de', [[1280, 720, 'dark'], [390, 844, 'light']]]]) {
    await chooseLanguage(page, language)
    for (const path of PAGES) {
      await go(page, path)
      await page.locator('h1').waitFor()
      await page.waitForLoadState('networkidle', { timeout: 3_000 }).catch(() => undefined)
      await page.evaluate(() => document.querySelectorAll('details').forEach((details) => (details.open = true)))
      assertEqual(await page.evaluate(() => document.documentElement.lang), language, `the language of ${path}`)
      assert(!/setup\.[a-z]/.test(await page.locator('body').innerText()), `a text is missing on ${path}`)
      for (const [width, height, theme] of looks) {
        await page.setViewportSize({ width, height })
        await page.emulateMedia({ colorScheme: theme })
        await until(`${path} is ${theme}`, () => page.evaluate((wanted) => document.documentElement.dataset.theme === wanted, theme))
        assertEqual(await axeFinds(page), [], `axe, ${path}, ${language}, ${theme}, ${width} px`)
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        assert(overflow <= 0, `${path} is ${overflow} px wider than a screen of ${width}, ${language}`)
      }
    }
  }
  await finish(opened)
}
