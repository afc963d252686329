/** The mock answers as the documents of the APIs say: what is developed and tried against it works with a server, too. */

import { describe, expect, test } from 'vitest'
import { checked, type Check } from '../src/api/check'
import { isTopology, isTrace, isTraces } from '../src/api/generated/operations-checks'
import { isChange, isSnapshot } from '../src/api/generated/pulse-checks'

/** Modules without types. */
const mock = (name: string): Promise<Record<string, any>> => import(`../mock/${name}.mjs`)

function isUnderstood<T>(check: Check<T>, value: unknown): void {
  expect(checked(check, JSON.parse(JSON.stringify(value)))).toMatchObject({ kind: 'ok' })
}

describe('the mock', () => {
  test('the drawing', async () => {
    const { Drawing } = await mock('drawing')
    isUnderstood(isTopology, new Drawing().now(Date.now()))
  })

  test('traces', async () => {
    const { traces, traceOf, callOfTheMock, runningCall, refusedDialog } = await mock('traces')
    isUnderstood(isTraces, traces())
    for (const call of [callOfTheMock, runningCall, refusedDialog]) isUnderstood(isTrace, traceOf(call))
  })

  test('the wallboard', async () => {
    const { CallCentre } = await mock('call-centre')
    const centre = new CallCentre({ agents: 3, queues: 2 })
    isUnderstood(isSnapshot, centre.snapshot(Date.now()))
    isUnderstood(isChange, centre.change(Date.now(), centre.step(Date.now(), 5_000)))
  })
})
