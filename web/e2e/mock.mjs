// Every task against the mock server, and what only the mock can do at a certain moment.

import { startMock, TOKEN } from '../mock/server.mjs'
import { openPage, startBrowser } from './browser.mjs'
import { assert, until } from './checks.mjs'
import * as tasks from './tasks.mjs'
import { callOfTheMock } from '../mock/traces.mjs'

const browser = await startBrowser()
let failed = 0

async function run(name, options, task) {
  const mock = await startMock(options)
  const began = Date.now()
  try {
    await task({ mock, browser, link: `${mock.url}/#token=${TOKEN}&tenant=example`, say: () => undefined, paths: ['/', '/topology', '/trace', `/trace/${callOfTheMock}`] })
    console.log(`ok      ${name} (${Date.now() - began} ms)`)
  } catch (error) {
    failed += 1
    console.log(`FAILED  ${name}: ${error instanceof Error ? error.stack : error}`)
  } finally {
    await mock.close()
  }
}

const small = { agents: 12, queues: 2, callsPerSecond: 3, talkMs: 2_000 }
await run('numbers move', small, tasks.numbers)
await run('accessible', small, tasks.accessible)
await run('keyboard', small, tasks.keyboard)
await run('topology', small, tasks.topology)
await run('a trace', small, tasks.traced)
await run('a refused token', small, tasks.refused)

await run('a lost connection is said and ends', small, async ({ mock, ...rest }) => {
  const { port } = new URL(mock.url)
  let next
  await tasks.outage({
    ...rest,
    say: (words) => {
      if (words === 'ready') void mock.close()
      if (words === 'lost') next = startMock({ ...small, port: Number(port) })
    },
  })
  const again = await next
  assert(again.seen.some((request) => request.lastEventId !== undefined), 'it did not say where it was')
  await again.close()
})

await run('a token that ends while the wall runs', small, async ({ mock, link }) => {
  const { page, close } = await openPage(browser)
  await page.goto(link)
  await page.getByText('Live', { exact: true }).waitFor()
  mock.refuseTokens()
  mock.cut()
  await page.getByText('The server no longer accepts the token.').waitFor()
  await close()
})

await run('1,000 agents and 50 changes a second stay smooth', { agents: 1_000, queues: 8, callsPerSecond: 17, talkMs: 20_000 }, async ({ link }) => {
  const { page, close } = await openPage(browser)
  await page.goto(link)
  await page.getByText('Live', { exact: true }).waitFor()
  const count = () => page.evaluate(() => window.__latency?.length ?? 0)
  await until('120 changes are painted', async () => (await count()) >= 120, 60_000)
  const latency = await page.evaluate(() => [...window.__latency].sort((a, b) => a - b))
  const p = (share) => latency[Math.floor(latency.length * share)]
  console.log(`        from change to paint: p50 ${p(0.5)} ms, p99 ${p(0.99)} ms, ${latency.length} changes`)
  assert(await page.evaluate(() => document.documentElement.scrollHeight <= innerHeight), 'the wall scrolls')
  await close()
})

await browser.close()
process.exitCode = failed === 0 ? 0 : 1
