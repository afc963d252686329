// The softphone inside a Salesforce org: pages that play the org, with an Open CTI library that tells them what it is asked.

import { createServer } from 'node:http'
import { openPage } from './browser.mjs'
import { assert, assertEqual, axeFinds, until } from './checks.mjs'

const CONTACT = '003000000000001AAA'
/** What the browser itself says of answers that are no success: of a session that has not begun yet. */
const isMeant = (fault) => fault.includes('Failed to load resource')
const LIBRARY_PATH = '/support/api/62.0/lightning/opencti_min.js'

/**
 * Signs in, and works inside the org: a number that is pressed there is called; a caller of a queue opens a record; each call is logged. An
 * org that the tenant does not let in gets nothing. `paths` are user name and password of the agent, the number of a colleague, the tenant,
 * the ports of the org and of the stranger, and the number of the caller. Says `talking`, and `waits` for a caller, and with `dialled` and
 * `answered` the id of the call in its log; the test ends the calls.
 */
export async function salesforceSoftphone({ browser, link, paths: [user, password, colleague, tenant, orgPort, strangerPort, caller], say }) {
  const edge = new URL(link)
  const sites = await Promise.all([orgPort, strangerPort].map((port) => orgSite(edge, port, tenant)))
  const [org, stranger] = sites
  const opened = await openPage(browser, { width: 1280, height: 900, theme: 'light' })
  const { page, faults, close } = opened
  await beginsToWork(page, edge, user, password)
  await page.goto(org.url)
  const softphone = page.frameLocator('iframe')
  const desk = softphone.frameLocator('iframe')
  await desk.locator('[data-agent="NotReady"]').waitFor()
  await asked(page, 'onClickToDial')
  await desk.locator('body').press('r')
  await desk.locator('[data-agent="Ready"]').waitFor()
  await until('nothing is said while the agent is at work', async () => (await softphone.locator('#told').textContent()) === '')

  await page.evaluate(([number, recordId]) => window.tellSoftphone('onClickToDial', { number, recordId, objectType: 'Contact' }), [colleague, CONTACT])
  await desk.locator('[data-panel="Established"]').waitFor()
  assertEqual((await asked(page, 'setSoftphonePanelVisibility')).visible, true, 'whether the softphone is shown')
  say('talking')
  say(`dialled ${await logged(page, 1, 'Internal')}`)
  // The log is written as the call ends; the page shows that a moment later.
  await desk.locator('[data-panel="Released"]').waitFor()
  // What was pressed before is done: a key counts once it is.
  await desk.locator('button[aria-disabled="true"]').first().waitFor({ state: 'detached' })
  await desk.locator('body').press('e')
  await desk.locator('[data-panel="Released"]').waitFor({ state: 'detached' })
  await desk.locator('[data-agent="Ready"]').waitFor()

  say('waits')
  const search = await asked(page, 'searchAndScreenPop')
  assertEqual([search.searchParams, search.callType], [caller, 'inbound'], 'what is looked for')
  await desk.locator('[data-panel="Established"]').waitFor()
  say('answered-by-the-agent')
  say(`answered ${await logged(page, 2, 'Inbound')}`)

  await isRefused(page, stranger)
  await page.goto(`${edge.origin}/salesforce/softphone/${tenant}`)
  await page.getByText('This page is the softphone of a Salesforce org.').waitFor()
  assertEqual(await axeFinds(page), [], 'axe, outside of an org')
  await close()
  assertEqual(faults.filter((fault) => !isMeant(fault)), [], 'faults of the page')
  await Promise.all(sites.map((site) => site.close()))
}

async function beginsToWork(page, edge, user, password) {
  await page.goto(new URL('/desktop', edge).href)
  await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click()
  await page.getByLabel('User name').fill(user)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('button', { name: 'Start work' }).click()
  await page.locator('[data-agent="NotReady"]').waitFor()
}

/** What the org was asked by that method, the so-manieth time. */
const asked = (page, method, count = 1) =>
  until(`the org is asked: ${method}`, () => page.evaluate(([name, nth]) => window.asked.filter((one) => one.method === name)[nth - 1]?.params, [method, count]))

/** The log of a call: about the record, with its length; the answer is the id of the call in it. */
async function logged(page, count, type) {
  const { value } = await asked(page, 'saveLog', count)
  assertEqual([value.entityApiName, value.CallType, value.WhoId, value.Status], ['Task', type, CONTACT, 'Completed'], 'the log')
  assert(Number.isInteger(value.CallDurationInSeconds) && value.CallDurationInSeconds >= 0, `the length is ${value.CallDurationInSeconds}`)
  return value.CallObject
}

/** A page that the tenant does not let in frames nothing, and no library of it is run. */
async function isRefused(page, stranger) {
  const other = await page.context().newPage()
  const said = []
  other.on('console', (message) => said.push(message.text()))
  await other.goto(stranger.url)
  await until('the browser refuses the frame', () => other.frames().some((frame) => frame.url().startsWith('chrome-error:')))
  assert(said.some((line) => line.includes('frame-ancestors')), `it is refused for another reason: ${said.join('\n')}`)
  assert(!stranger.paths.includes(LIBRARY_PATH), 'the library of a stranger was asked for')
  assertEqual(await other.evaluate(() => window.asked), [], 'what a stranger was asked')
}

/** A site at the host of the edge, so that the browser sends the cookies of the edge to a frame in it, by another port. */
async function orgSite(edge, port, tenant) {
  const paths = []
  const files = {
    '/': ['text/html', `<!doctype html><html lang="en"><title>org</title><script src="/org.js"></script><main><h1>An org</h1><iframe title="Softphone" width="1000" height="760" src="${edge.origin}/salesforce/softphone/${tenant}"></iframe></main></html>`],
    '/org.js': ['text/javascript', ORG],
    [LIBRARY_PATH]: ['text/javascript', LIBRARY],
  }
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, edge)
    paths.push(pathname)
    const [type, body] = files[pathname] ?? ['text/plain', '']
    response.writeHead(body === '' ? 404 : 200, { 'content-type': `${type}; charset=utf-8` }).end(body)
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(Number(port), edge.hostname, resolve))
  return { url: `http://${edge.hostname}:${port}/`, paths, close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))) }
}

/** The page around: it notes what it is asked, and answers as an org with one contact. */
const ORG = `
window.asked = []
const answers = { searchAndScreenPop: { '${CONTACT}': { Name: 'Ines' } }, saveLog: { recordId: '00T000000000001AAA' } }
const softphone = () => document.querySelector('iframe').contentWindow
addEventListener('message', ({ data, source }) => {
  if (source !== softphone() || data.openCti === undefined) return
  const { id, method, params } = data.openCti
  window.asked.push({ method, params })
  source.postMessage({ org: { id, answer: { success: true, returnValue: answers[method] ?? null, errors: [] } } }, '*')
})
window.tellSoftphone = (listener, payload) => softphone().postMessage({ org: { listener, payload } }, '*')
`

/** The library: each method tells the page around, by message, as that of an org does. */
const LIBRARY = `
window.sforce = {
  opencti: (() => {
    const callbacks = new Map()
    const listeners = new Map()
    addEventListener('message', ({ data, source }) => {
      if (source !== parent || data.org === undefined) return
      const { id, answer, listener, payload } = data.org
      if (listener !== undefined) listeners.get(listener)?.(payload)
      else callbacks.get(id)?.(answer)
    })
    let ids = 0
    const method = (name) => ({ callback, listener, ...params }) => {
      ids += 1
      if (listener !== undefined) listeners.set(name, listener)
      if (callback !== undefined) callbacks.set(ids, callback)
      parent.postMessage({ openCti: { id: ids, method: name, params } }, '*')
    }
    const names = ['enableClickToDial', 'disableClickToDial', 'onClickToDial', 'onNavigationChange', 'setSoftphonePanelVisibility', 'setSoftphonePanelHeight', 'searchAndScreenPop', 'screenPop', 'saveLog']
    return { ...Object.fromEntries(names.map((name) => [name, method(name)])), CALL_TYPE: { INBOUND: 'inbound' }, SCREENPOP_TYPE: { SOBJECT: 'sobject' } }
  })(),
}
`
