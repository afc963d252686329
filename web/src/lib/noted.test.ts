import { expect, test } from 'vitest'
import { note, readNotes, type Noted } from './noted'

test('a few notes wait until somebody reads them, in their order', () => {
  const all = Array.from({ length: 30 }, (_, number): Noted => ({ kind: 'fault', name: 'error_script', error: number }))
  for (const one of all) note(one)
  const read: Noted[] = []
  readNotes((noted) => void read.push(noted))
  expect(read).toEqual(all.slice(0, 20))
  note({ kind: 'lost', where: 'stream' })
  expect(read.at(-1)).toEqual({ kind: 'lost', where: 'stream' })
  const again: Noted[] = []
  readNotes((noted) => void again.push(noted))
  expect(again).toEqual([])
})
