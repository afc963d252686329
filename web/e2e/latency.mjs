// How long it takes from a fact of a call to its painted number, read in the page by which people watch.
//
// usage: node e2e/latency.mjs LINK SECONDS [AGENTS]     LINK as `trunkline demo` prints it; begins when so many agents are logged in;
//                                                      prints {"changes","p50","p99","max","agents"}, ms

import { openPage, startBrowser } from './browser.mjs'
import { assert, until } from './checks.mjs'

const LOGGED_IN_WITHIN_MS = 180_000

const [link, seconds, agents = '0'] = process.argv.slice(2)
assert(Number(seconds) > 0 && Number(agents) >= 0, 'usage: node e2e/latency.mjs LINK SECONDS [AGENTS]')

async function loggedIn() {
  const { origin, hash } = new URL(link)
  const token = new URLSearchParams(hash.slice(1)).get('token')
  const answer = await fetch(`${origin}/pulse/api/v1/example/wallboard`, { headers: { Authorization: `Bearer ${token}` } })
  if (!answer.ok) return 0
  const { states } = await answer.json()
  return Object.entries(states).reduce((sum, [state, count]) => (state === 'loggedOut' ? sum : sum + count), 0)
}
await until(`${agents} agents are logged in`, async () => (await loggedIn()) >= Number(agents), LOGGED_IN_WITHIN_MS)

const browser = await startBrowser()
const { page, faults } = await openPage(browser)
await page.goto(link)
await page.getByText('Live', { exact: true }).waitFor()
// A change is news only if the page was open when its event happened, so nothing before this moment counts.
await page.evaluate(() => (window.__latency = []))
await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1_000))
const latency = await until('a number changes', () => page.evaluate(() => (window.__latency.length > 0 ? [...window.__latency] : undefined)))
latency.sort((a, b) => a - b)
const share = (part) => latency[Math.min(latency.length - 1, Math.floor(latency.length * part))]
assert(faults.length === 0, faults.join('\n'))
console.log(JSON.stringify({ changes: latency.length, p50: share(0.5), p99: share(0.99), max: latency.at(-1), agents: await loggedIn() }))
await browser.close()
