import { describe, expect, test } from 'vitest'
import type { DeskState } from './desk-state'
import { callChanged, deskAfter, READY } from './messages-for-tests'
import { newPresses } from './presses'

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const talking = deskAfter(READY, callChanged('1', 'Established'))

function room() {
  let state: DeskState = talking
  let reads: (() => void)[] = []
  const timers: { run: () => void; ms: number }[] = []
  const did: string[] = []
  const presses = newPresses((run, ms) => void timers.push({ run, ms }))
  const desk = {
    state: () => state,
    onChange: (read: () => void) => {
      reads.push(read)
      return () => void (reads = reads.filter((one) => one !== read))
    },
  }
  return {
    did,
    shown: presses.shown,
    press: (slot: string, isOk = true) =>
      presses.press(slot, desk, () => {
        did.push(slot)
        return Promise.resolve(isOk)
      }),
    tell: async (next: DeskState) => {
      state = next
      for (const read of reads) read()
      await settled()
    },
    after: async (ms: number) => {
      const due = timers.filter((one) => one.ms <= ms)
      for (const one of due) timers.splice(timers.indexOf(one), 1)
      for (const { run } of due) run()
      await settled()
    },
  }
}

describe('a press', () => {
  test('is not undone by the other half of a double one, however fast the first is told', async () => {
    const { did, press, shown, tell, after } = room()
    press('h')
    await settled()
    await tell(deskAfter(talking, callChanged('1', 'Held')))
    press('h')
    press('a')
    expect(did).toEqual(['h'])
    await after(500)
    expect(shown()).toEqual({ isLooking: false, pending: [] })
    press('h')
    expect(did).toEqual(['h', 'h'])
  })
  test('is pending until it is told, while others can be pressed', async () => {
    const { did, press, shown, tell, after } = room()
    press('h')
    await after(500)
    expect(shown()).toEqual({ isLooking: false, pending: ['h'] })
    press('h')
    press('x x')
    expect(did).toEqual(['h', 'x x'])
    await after(500)
    await tell(deskAfter(talking, callChanged('1', 'Held')))
    expect(shown().pending).toEqual([])
  })
  test('that is refused, or is not told of, can be pressed again', async () => {
    const { did, press, shown, after } = room()
    press('h', false)
    await after(500)
    expect(shown().pending).toEqual([])
    press('h')
    await settled()
    await after(500)
    await after(5_000)
    expect([shown(), did]).toEqual([{ isLooking: false, pending: [] }, ['h', 'h']])
  })
})
