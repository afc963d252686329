// What people do on the pages, as tasks; the same against an installation and against the mock. A task gets a browser,
// the link, and `say`, by which it tells its caller how far it is.

import { openPage } from './browser.mjs'
import { assert, assertEqual, axeFinds, chooseLanguage, chooseTheme, menuOf, number, until } from './checks.mjs'

export { deskAtWork, deskRightAgain } from './desk-at-work.mjs'
export { deskDay } from './desk-day.mjs'
export { deskAsleep, deskOnAnotherNetwork, deskOnTwoMachines, newcomer } from './desk-elsewhere.mjs'
export { deskSoftphone } from './desk-softphone.mjs'
export { firstTenant } from './guide.mjs'
export { firstPasskey, passkey } from './passkeys.mjs'
export { ticketPhone } from './browser-phones.mjs'
export { codecPhone, lastingPhone, phone } from './phones.mjs'
export { salesforceSoftphone } from './salesforce.mjs'
export { openTelemetry, pageWatch } from './telemetry.mjs'
export * from './setup-tasks.mjs'
export * from './setup-bulk-tasks.mjs'
export * from './setup-kinds-tasks.mjs'
export * from './setup-further-tasks.mjs'
export * from './setup-past-tasks.mjs'

const THEMES = ['light', 'dark', 'contrast']

/** The wallboard opened by its link: numbers are there, the token is not in the address. */
async function openWallboard(browser, link, options) {
  const opened = await openPage(browser, options)
  await opened.page.goto(link)
  await opened.page.getByText('Live', { exact: true }).waitFor()
  await opened.page.locator('[data-number="answered"]').first().waitFor()
  const address = await opened.page.evaluate(() => location.href)
  assert(!address.includes('token') && !address.includes('#'), `the token stays in the address: ${address}`)
  return opened
}

async function finish({ faults, close }, allowed = () => false) {
  const bad = faults.filter((fault) => !allowed(fault))
  await close()
  assertEqual(bad, [], 'faults of the page')
}

const isNetworkError = (fault) => fault.includes('net::ERR_') || fault.includes('Failed to load resource')

/** Numbers move while calls come, without a reload. Says `ready`; the caller makes calls. */
export async function numbers({ browser, link, say }) {
  const opened = await openWallboard(browser, link)
  const { page } = opened
  await page.evaluate(() => {
    window.__sameDocument = true
  })
  // The position first: a change between the two would be in both.
  const before = { position: await page.locator('[data-position]').getAttribute('data-position'), answered: await number(page, 'answered') }
  say('ready')
  await until('a call is answered on the wall', async () => (await number(page, 'answered')) > before.answered, 180_000)
  assert((await page.locator('[data-position]').getAttribute('data-position')) !== before.position, 'the position did not move')
  assert(await page.evaluate(() => window.__sameDocument === true), 'the page was loaded again')
  const latency = await until('latencies are recorded', () => page.evaluate(() => (window.__latency?.length ? window.__latency : null)))
  say(`latency ${JSON.stringify(latency)}`)
  await finish(opened)
}

/** A lost connection is said, with the age of the numbers, and ends by itself. Says `ready`, then `lost`. */
export async function outage({ browser, link, say }) {
  const opened = await openWallboard(browser, link)
  const { page } = opened
  say('ready')
  const banner = page.locator('[data-banner="stale"]')
  await banner.waitFor()
  await until('the banner names the age', async () => /from \d\d:\d\d:\d\d, \d+ s ago/.test((await banner.textContent()) ?? ''))
  const first = await banner.textContent()
  const answered = await number(page, 'answered')
  await until('the age grows', async () => (await banner.textContent()) !== first)
  assertEqual(await number(page, 'answered'), answered, 'the old numbers stay')
  for (const theme of THEMES) {
    await chooseTheme(page, theme)
    assertEqual(await axeFinds(page), [], `axe, with the banner, ${theme}`)
  }
  say('lost')
  await page.getByText('Live', { exact: true }).waitFor({ timeout: 180_000 })
  await until('the banner goes', async () => (await banner.count()) === 0)
  await finish(opened, isNetworkError)
}

/** Each page in each theme and on wall, desk and phone: nothing for axe, no errors, nothing wider than the screen. */
export async function accessible({ browser, link, paths }) {
  for (const [width, height] of [[1920, 1080], [390, 844]]) {
    const opened = await openWallboard(browser, link, { width, height })
    const { page } = opened
    for (const path of paths) {
      await page.goto(new URL(path, link).href)
      await page.locator('h1').waitFor()
      await page.waitForLoadState('networkidle', { timeout: 3_000 }).catch(() => undefined)
      for (const theme of THEMES) {
        await chooseTheme(page, theme)
        assertEqual(await axeFinds(page), [], `axe, ${path}, ${theme}, ${width} px`)
      }
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      assert(overflow <= 0, `${path} is ${overflow} px wider than a screen of ${width}`)
    }
    await page.reload()
    assertEqual(await page.evaluate(() => document.documentElement.dataset.theme), 'contrast', 'the chosen colours are kept')
    await finish(opened)
  }
}

/** Every page speaks another language once it is chosen, keeps it, and is as accessible. */
export async function languages({ browser, link, paths }) {
  const opened = await openWallboard(browser, link)
  const { page } = opened
  await chooseLanguage(page, 'de')
  await page.getByRole('link', { name: 'Anrufe' }).waitFor()
  for (const path of paths) {
    await page.goto(new URL(path, link).href)
    await page.locator('h1').waitFor()
    assertEqual(await page.evaluate(() => document.documentElement.lang), 'de', `the language of ${path}`)
    assertEqual(await axeFinds(page), [], `axe, ${path}, in German`)
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    assert(overflow <= 0, `${path} in German is ${overflow} px wider than the screen`)
  }
  await chooseLanguage(page, 'en')
  await page.getByRole('link', { name: 'Traces' }).waitFor()
  await finish(opened)
}

/** By keyboard alone: to the topology, into the drawing, from part to part, to a connection's details, and back. */
export async function keyboard({ browser, link }) {
  const opened = await openWallboard(browser, link)
  const { page } = opened
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? '')
  const tabTo = async (words) => {
    for (let tries = 0; tries < 40; tries += 1) {
      await page.keyboard.press('Tab')
      if ((await focused()) === words) return
    }
    throw new Error(`Tab never reaches ${words}`)
  }
  await tabTo('Topology')
  await page.keyboard.press('Enter')
  await page.locator('[data-party="sip-proxy"]').waitFor()
  for (let tries = 0; tries < 40; tries += 1) {
    await page.keyboard.press('Tab')
    if (await page.evaluate(() => document.activeElement?.getAttribute('data-party') === 'sip-proxy')) break
  }
  const details = page.getByRole('complementary', { name: 'Details' })
  await until('the details follow the focus', async () => (await details.textContent())?.includes('sip-proxy'))
  await page.keyboard.press('ArrowDown')
  await until('sip-cluster below sip-proxy', () => page.evaluate(() => document.activeElement?.getAttribute('data-party') === 'sip-cluster'))
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await until('a connection is described', async () => (await details.textContent())?.includes('Carries'))
  await page.goBack()
  await page.locator('[data-number="answered"]').first().waitFor()
  await finish(opened)
}

/** The drawing shows what runs, and its table finds rows by words. */
export async function topology({ browser, link }) {
  const opened = await openWallboard(browser, link)
  const { page } = opened
  await page.getByRole('link', { name: 'Topology' }).click()
  await page.locator('[data-state="open"]').first().waitFor({ state: 'attached' })
  assert((await page.locator('[data-number="proven"]').textContent())?.trim() !== '', 'the coverage has no number')
  const rows = page.locator('tbody tr')
  await until('146 rows', async () => (await rows.count()) >= 146)
  await page.getByLabel('Find').fill('voice-51')
  await until('one row is left', async () => (await rows.count()) === 1)
  assert((await rows.first().textContent())?.includes('sip-cluster → sip-proxy'), 'voice-51 is another connection')
  await until('what is looked at is in the address', async () => page.url().includes('find=voice-51'))
  await rows.first().getByRole('button').click()
  await until('its details', async () => (await page.getByRole('complementary', { name: 'Details' }).textContent())?.includes('SIP signalling'))
  await finish(opened)
}

/** A token that does not serve is refused in words, with what to do; a good one pasted into the page goes on. */
export async function refused({ browser, link }) {
  const opened = await openPage(browser)
  const { page } = opened
  const address = new URL(link)
  const token = new URLSearchParams(address.hash.slice(1)).get('token')
  await page.goto(`${address.origin}/#token=${'x'.repeat(40)}&tenant=example`)
  const alert = page.getByRole('alert')
  await alert.getByText('A token is needed').waitFor()
  assert((await alert.textContent())?.includes('The server refuses the token'), 'it does not say that the token is refused')
  assertEqual(await page.locator('h1').count(), 1, 'headings of the page')
  assertEqual(await axeFinds(page), [], 'axe, without a token')
  const { height } = await alert.boundingBox()
  assert(height < 320, `the notice is ${height} px high`)
  await page.getByLabel('Token').fill(`${token}&tenant=example`)
  await page.getByRole('button', { name: 'Open' }).click()
  if (token.includes('.')) await page.getByText('Live', { exact: true }).waitFor()
  await finish(opened, (fault) => fault.includes('401'))
}

/** From the list of calls to the latest call's trace: verdict, audio, ladder, a message as sent. Says `call ID`. */
export async function traced({ browser, link, say }) {
  const opened = await openWallboard(browser, link)
  const { page } = opened
  await page.getByRole('link', { name: 'Traces' }).click()
  const calls = page.locator('tbody th a')
  await calls.first().waitFor()
  const call = await calls.first().textContent()
  say(`call ${call}`)
  await calls.first().click()
  const verdict = page.getByRole('region', { name: 'What happened' })
  await until('a verdict in words', async () => ((await verdict.textContent()) ?? '').includes(' called '))
  const message = page.getByRole('button', { name: /INVITE from/ }).first()
  await message.click()
  await until('the message as sent', async () => (await page.locator('pre').first().textContent())?.startsWith('INVITE sip:'))
  for (const title of ['Audio', 'SIP messages', 'Routing', 'Application', 'Events']) {
    assert((await page.getByRole('heading', { name: title, exact: true }).count()) === 1, `there is no ${title}`)
  }
  await menuOf(page).focus()
  await finish(opened)
}

/** A link opened in a new tab shows its page there, without a token in any address. */
export async function newTab({ browser, link }) {
  const opened = await openWallboard(browser, link)
  const { page } = opened
  const [other] = await Promise.all([page.context().waitForEvent('page'), page.getByRole('link', { name: 'Traces' }).click({ modifiers: ['ControlOrMeta'] })])
  await other.getByRole('heading', { name: 'Traces', level: 1 }).waitFor()
  assert(!other.url().includes('token'), 'the token is in the address')
  await finish(opened)
}

/** What is smaller is no number any more. */
const LEAST_PX = 9

/** On walls of every size no number is cut, and none vanishes, whatever it is. */
export async function fits({ browser, link, locale }) {
  for (const [width, height] of [[1100, 700], [1280, 720], [1366, 768], [1920, 1080], [2560, 1440], [3840, 2160], [390, 844]]) {
    const opened = await openWallboard(browser, link, { width, height, locale })
    const { page } = opened
    await page.getByText('100').first().waitFor()
    const cut = await page.evaluate(() =>
      [...document.querySelectorAll('[data-number]')].flatMap((element) => {
        const tile = element.closest('li, section > div')
        if (tile === null) return []
        // Words for a screen reader stand nowhere.
        const parts = [...element.querySelectorAll('svg'), ...[...element.childNodes, ...element.querySelectorAll('span')].filter((part) => !(part instanceof Element) || part.closest('[class*=sign]') === null)]
        const range = document.createRange()
        const right = Math.max(...parts.map((part) => (range.selectNode(part), range.getBoundingClientRect().right)))
        const edge = tile.getBoundingClientRect().right
        return right > edge ? [`${element.textContent}: ${right} > ${edge}`] : []
      }),
    )
    assertEqual(cut, [], `numbers that are cut at ${width} px`)
    const tiny = await page
      .locator('[data-number]')
      .evaluateAll((all, least) => all.filter((element) => Number.parseFloat(getComputedStyle(element).fontSize) < least).map((element) => element.textContent), LEAST_PX)
    assertEqual(tiny, [], `numbers that nobody can read at ${width} px`)
    const header = await page.locator('header').boundingBox()
    assert(width < 700 || header.height < Math.max(60, width / 24), `the line above is ${header.height} px high at ${width} px`)
    await finish(opened)
  }
}

/** On a phone thousands of agents make a list of which only what is near is in the document; its end is reached all the same. */
export async function longList({ browser, link }) {
  const opened = await openWallboard(browser, link, { width: 390, height: 844 })
  const { page } = opened
  const tiles = page.locator('[data-agent]')
  await tiles.first().waitFor()
  const [most, all] = [120, Number(await tiles.first().getAttribute('aria-setsize'))]
  assert(all > 1_000, `only ${all} agents are logged in`)
  assert((await tiles.count()) < most, `${await tiles.count()} tiles are in the document`)
  await until('the last agent', async () => {
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight))
    return page.evaluate((last) => [...document.querySelectorAll('[data-agent]')].some((tile) => {
      const { top, bottom } = tile.getBoundingClientRect()
      return tile.ariaPosInSet === String(last) && top >= 0 && bottom <= innerHeight
    }), all)
  })
  assert((await tiles.count()) < most, `${await tiles.count()} tiles are in the document at its end`)
  assertEqual(await axeFinds(page), [], 'axe, at the end of a long list')
  await page.reload()
  await tiles.first().waitFor()
  const loggedOut = page.locator('[data-agent][data-state="loggedOut"]')
  assertEqual(await loggedOut.count(), 0, 'agents who are logged out stand behind a count')
  const count = page.locator('summary', { hasText: /^[\d,]+ logged out$/ })
  assert(await tiles.first().evaluate((tile, below) => (tile.compareDocumentPosition(below) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0, await count.elementHandle()), 'the count stands above those at work')
  await count.click()
  await loggedOut.first().waitFor()
  assertEqual(Number(await loggedOut.first().getAttribute('aria-setsize')), parseInt((await count.textContent()).replace(',', ''), 10), 'the count is that of its list')
  await finish(opened)
}

/** A list whose server is away says from when it is, and its durations stand still. Says `ready`; the caller ends the server. */
export async function oldList({ browser, link, say }) {
  const opened = await openWallboard(browser, link)
  const { page } = opened
  await page.getByRole('link', { name: 'Traces' }).click()
  const running = page.getByRole('cell', { name: 'and goes on' }).first()
  await running.waitFor()
  say('ready')
  const banner = page.locator('[data-banner="stale"]')
  await banner.waitFor()
  const lasted = await running.textContent()
  await until('the banner names the age', async () => /from \d\d:\d\d:\d\d, [3-9]\d* s ago/.test((await banner.textContent()) ?? ''))
  assertEqual(await running.textContent(), lasted, 'how long the call lasts')
  await finish(opened, isNetworkError)
}

/** A sign can be read from a distance of 200 times its height: 25 mm from five metres. On a screen of 55 inches and 1,920 pixels,
 *  0.634 mm each, that is 40. */
const SIGN_PX = 40
/** The height of a digit or capital against the size of its font; about this in every font that the pages name. */
const SIGN_HEIGHT = 0.7

/** On a wall of 1920 × 1080 the key numbers can be read from five metres, and nothing scrolls. */
export async function legible({ browser, link }) {
  const opened = await openWallboard(browser, link, { width: 1920, height: 1080 })
  const { page } = opened
  const tiles = await page.locator('[data-tiles]').getAttribute('data-tiles')
  const ofQueues = tiles === 'large' ? ['waiting', 'longest-wait', 'service-level'] : ['waiting']
  const keys = ['section > div > [data-number]', '[data-number="agents"]', ...ofQueues.map((name) => `[data-queue] [data-number="${name}"]`)]
  for (const key of keys) {
    const sizes = await page.locator(key).evaluateAll((all) => all.map((element) => [element.textContent, Number.parseFloat(getComputedStyle(element).fontSize)]))
    assert(sizes.length > 0, `nothing is ${key}`)
    const small = sizes.filter(([, size]) => size * SIGN_HEIGHT < SIGN_PX)
    assertEqual(small, [], `too small to be read from five metres, with ${tiles} tiles: ${key}`)
  }
  assert(await page.evaluate(() => document.documentElement.scrollHeight <= innerHeight), 'the wall scrolls')
  await finish(opened)
}
