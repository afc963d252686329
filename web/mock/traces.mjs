// Traces as the operator's API answers them: one call whose caller cannot be heard, and one that goes on.

import { readFileSync } from 'node:fs'

const trace = JSON.parse(readFileSync(new URL('trace.json', import.meta.url), 'utf8'))

export const callOfTheMock = trace.call.connId

export function traces() {
  const { connId, uuid, beganAt, endedAt, from, to } = trace.call
  const going = { connId: runningCall, uuid: '5F0C9A7D2B6E41D8A3C1E5F7089B2D64', beganAt: BEGAN, endedAt: null, from: '7001', to: '7002', answeredBy: null, lastEvent: 'EventRinging' }
  return { tenant: 'example', calls: [going, { connId, uuid, beganAt, endedAt, from, to, answeredBy: '7003', lastEvent: 'EventCallDeleted' }], refused: [], missing: [] }
}

const BEGAN = Date.now() - 9_000

export const runningCall = '00700392f1a4c000'

/** A dialog that was refused before it became a call. */
export const refusedDialog = 'refused@phone'

function refused() {
  const call = { ...trace.call, connId: '', uuid: '', printed: '', beganAt: null, endedAt: null, answeredAt: null, callIds: [refusedDialog] }
  return { ...trace, call, verdict: { summary: ['It was refused.'], findings: [] }, events: [], media: [], routing: [], requests: [], application: { name: '', steps: [] } }
}

export function traceOf(call) {
  if (call === refusedDialog) return refused()
  if (call === runningCall) return { ...trace, call: { ...trace.call, connId: runningCall, endedAt: null } }
  const { connId, uuid, printed, callIds } = trace.call
  return [connId, uuid, printed, ...callIds].includes(call) ? trace : undefined
}
