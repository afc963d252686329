import { expect, test } from 'vitest'
import type { Item } from '../../../api/telemetry'
import { afterPhone, NO_PHONE, type PhoneInput } from '../softphone-state'
import { alsoTold } from './phone-items'

/** A phone whose news are told, in their order; how often they are sent. */
function told(inputs: readonly PhoneInput[]) {
  let state = NO_PHONE
  const items: Item[] = []
  let sent = 0
  const shown = { state: () => state, take: (input: PhoneInput) => void (state = afterPhone(state, input)) }
  const telemetry = {
    tell: (item: Item) => void items.push(item),
    flush: () => {
      sent += 1
      return Promise.resolve()
    },
  }
  const phone = alsoTold(shown, telemetry)
  for (const input of inputs) phone.take(input)
  return { names: items.map(({ name }) => name), items, sent, state }
}

const phase = (kind: 'starting' | 'ready' | 'lost'): PhoneInput => ({ kind: 'phase', phase: { kind } })
const call = (id: string, of: 'ringing' | 'answering' | 'talking'): PhoneInput => ({ kind: 'call', call: { id, number: '+4930123456', phase: of } })
const refused: PhoneInput = { kind: 'phase', phase: { kind: 'failed', why: 'refused', said: 'no such person: ann@desk.example' } }

test('a phone tells that it is there, that it is lost, and that it is there again', () => {
  const { names, state } = told([phase('starting'), phase('ready'), phase('ready'), phase('lost'), phase('lost'), phase('ready')])
  expect(names).toEqual(['phone_registered', 'phone_lost', 'phone_registered'])
  expect(state.phase.kind).toBe('ready')
})

test('why there is no phone is told once, in a word of ours', () => {
  const { items, sent } = told([refused, refused])
  expect(items).toEqual([{ type: 'event', name: 'error_phone', level: 'error', props: { why: 'refused' } }])
  expect(sent).toBe(1)
})

test('calls that are talked in begin and end, without a number', () => {
  const { names, items } = told([phase('ready'), call('a', 'ringing'), call('a', 'answering'), call('a', 'talking'), call('b', 'ringing'), { kind: 'over', call: 'b' }, { kind: 'over', call: 'a' }])
  expect(names).toEqual(['phone_registered', 'call_started', 'call_ended'])
  expect(JSON.stringify(items)).not.toContain('4930')
})

test('another device is told by nothing but that', () => {
  const { devices } = NO_PHONE
  const chosen = { ...devices, chosen: { ...devices.chosen, microphone: { id: 'a', label: 'Headset of Ann' } } }
  const { items } = told([{ kind: 'devices', devices: chosen }, phase('ready'), { kind: 'devices', devices: chosen }, { kind: 'devices', devices }])
  expect(items.slice(1)).toEqual([{ type: 'event', name: 'devices_changed' }])
})
