// Milliseconds from a press to the next paint at the desktop, while many events come in: what INP says, for each press of an agent who writes
// notes, changes between calls, and holds and takes back. Against the mock, in this Chromium.
//
// usage: node e2e/desk-presses.mjs [SECONDS] [EVENTS PER SECOND]

import { startMock, TOKEN } from '../mock/server.mjs'
import { startBrowser } from './browser.mjs'
import { panel } from './desk-page.mjs'
import { act, openReady } from './desk-tasks.mjs'

const [seconds = 20, rate = 50] = process.argv.slice(2).map(Number)
/** Shorter ones are not told by a browser. */
const TOLD_FROM_MS = 16
const PRESSES = ['1', 'h', '2', '1', 'h', 'n', 'Escape']

const mock = await startMock({ agents: 12, queues: 2, callsPerSecond: 3, talkMs: 2_000 })
const browser = await startBrowser()
try {
  const { page, close } = await openReady(browser, `${mock.url}/#token=${TOKEN}&tenant=example`)
  const { phone } = mock.desks
  const first = phone.ring({ data: { CustomerName: 'Ines Iversen', Language: 'de' } })
  await act(page, 'Answer').click()
  await panel(page, 'Established').waitFor()
  phone.ring({ number: '+33144556677', queue: 'support' })
  await page.evaluate((from) => {
    window.presses = []
    const note = (list) => window.presses.push(...list.getEntries().filter(({ name, interactionId }) => name === 'keydown' && interactionId > 0).map(({ duration }) => duration))
    new PerformanceObserver(note).observe({ type: 'event', durationThreshold: from })
  }, TOLD_FROM_MS)
  let events = 0
  const coming = setInterval(() => {
    events += 1
    phone.operateCall(events % 2 === 0 ? first : phone.calls[1], 'update-user-data', { userData: [{ key: 'Counter', type: 'str', value: String(events) }] })
  }, 1_000 / rate)
  const until = Date.now() + 1_000 * seconds
  let pressed = 0
  const press = async (key) => {
    await page.keyboard.press(key)
    pressed += 1
  }
  while (Date.now() < until) {
    for (const key of PRESSES) await press(key)
    await page.getByLabel('Notes').focus()
    for (const key of 'wants an offer') await press(key === ' ' ? 'Space' : key)
    await press('Tab')
  }
  clearInterval(coming)
  const told = (await page.evaluate(() => window.presses)).sort((a, b) => a - b)
  // Those that were not told are the shortest.
  const all = [...Array(Math.max(0, pressed - told.length)).fill(TOLD_FROM_MS), ...told]
  const at = (share) => all[Math.min(all.length - 1, Math.floor(all.length * share))]
  console.log(`${pressed} presses, ${Math.round(events / seconds)} events/s: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms (${TOLD_FROM_MS} stands for less)`)
  await close()
} finally {
  await browser.close()
  await mock.close()
}
