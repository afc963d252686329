/** What people read on the tiles, without a browser. */

import { renderToStaticMarkup } from 'react-dom/server'
import { describe, expect, test } from 'vitest'
import { AgentTile } from './AgentTile'
import type { Agent, Queue } from './model'
import { noNumbers } from './numbers.fixture'
import { QueueTile } from './QueueTile'
import { isSinceKnown } from './rules'
import { StateBar } from './StateBar'
import { Totals } from './Totals'
import { widthInEm } from './width'

const queue: Queue = {
  id: 'sales', name: 'Sales', ...noNumbers, history: [],
}
const agent: Agent = { id: '1', name: 'Ada Lovelace', extension: '7001', state: 'notReady', reason: 'Break', since: 0 }
/** The words of a piece of HTML, blank by blank. */
const words = (html: string): string => html.replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' ').trim()

describe('the totals', () => {
  test('nothing is made up while there are no calls', () => {
    const shown = words(renderToStaticMarkup(<Totals totals={queue} queues={[queue]} countsSince={0} />))
    expect(shown).toContain('Calls waiting 0')
    expect(shown).toContain('Longest wait – nobody waits')
    expect(shown).toContain('Service level – no calls yet answered within 20 s')
    expect(shown).toContain('Average wait –')
  })
  test('what is bad says so in words', () => {
    const totals = { ...queue, waiting: 3, longestWaitSince: Date.now() - 125_000, serviceLevel: 62.7, answered: 1_234, entered: 1_300, shortAbandoned: 2, abandoned: 63 }
    const shown = words(renderToStaticMarkup(<Totals totals={totals} queues={[]} countsSince={0} />))
    expect(shown).toMatch(/Longest wait 2:0[56] far over target/)
    expect(shown).toContain('Service level 62 % off target')
    expect(shown).toContain('Answered 1,234 of 1,300 that entered')
    expect(shown).toContain('Abandoned 63 2 of them after a short wait')
  })
})

test('a queue tells its half hour in a sentence too', () => {
  const history = [{ from: 0, entered: 4, answered: 3, abandoned: 1, waitingMax: 2 }]
  expect(renderToStaticMarkup(<QueueTile queue={{ ...queue, history }} size="large" />)).toContain('aria-label="Last 30 minutes: 4 entered, 1 abandoned, at most 2 waiting at once"')
})

test.each([['card', 'Ada Lovelace Not ready: Break'], ['row', 'Ada Lovelace Not ready: Break'], ['chip', 'Ada L. Not ready: Break'], ['dot', 'Ada Lovelace: Not ready: Break']] as const)('a %s names agent, state and reason', (density, text) => {
  const html = renderToStaticMarkup(<AgentTile agent={agent} density={density} isSinceKnown />)
  expect(words(html)).toContain(text)
  expect(html).toContain('title="Ada Lovelace: Not ready: Break"')
})

test('agents of unknown state are shown only when there are some', () => {
  const states = { ready: 1, notReady: 0, afterCallWork: 0, ringing: 0, dialing: 0, onHold: 0, inbound: 2, outbound: 0, internal: 1, consult: 0, unknown: 0, loggedOut: 5 }
  expect(words(renderToStaticMarkup(<StateBar states={states} />))).toBe('1 Ready 0 Ringing 3 On calls 0 After call 0 Not ready 5 Logged out')
  expect(words(renderToStaticMarkup(<StateBar states={{ ...states, unknown: 2 }} />))).toContain('2 Unknown')
})

test('of somebody who is logged out since before the numbers begin nobody knows for how long', () => {
  const out = (since: number): string => {
    const ada: Agent = { ...agent, state: 'loggedOut', reason: null, since }
    return words(renderToStaticMarkup(<AgentTile agent={ada} density="row" isSinceKnown={isSinceKnown(ada, 1_000)} />))
  }
  expect(out(1_000)).toContain('Logged out –')
  expect(out(Date.now() - 63_000)).toMatch(/Logged out 1:0[34]$/)
})

test.each([['100', '%', 2.8], ['0:07', '', 2.6], ['12:41', '', 3.3], ['1,234', '', 3.3], ['3 d 04:11', '', 5.6]])('%s%s is at most %s em wide', (value, unit, most) => {
  expect(widthInEm(value, unit)).toBeLessThanOrEqual(most)
  expect(widthInEm(value, unit)).toBeGreaterThan(most - 0.4)
})
