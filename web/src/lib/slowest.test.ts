import { expect, test } from 'vitest'
import { Slowest } from './slowest'

test('the slowest of each name is told once', () => {
  const slowest = new Slowest()
  for (const ms of [20, 90, 40]) slowest.note('press', '/', ms)
  slowest.note('press', '/trace', 10)
  slowest.note('ask', '/', 30)
  expect(slowest.taken()).toEqual([
    { name: 'press', where: '/', ms: 90 },
    { name: 'press', where: '/trace', ms: 10 },
    { name: 'ask', where: '/', ms: 30 },
  ])
  expect(slowest.taken()).toEqual([])
})

test('ever new names fill no memory, and one that is known is still measured', () => {
  const slowest = new Slowest()
  for (let number = 0; number < 1_000; number += 1) slowest.note('ask', String(number), 1)
  slowest.note('ask', '0', 2)
  const all = slowest.taken()
  expect(all).toHaveLength(32)
  expect(all[0]?.ms).toBe(2)
})
