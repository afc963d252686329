import { expect, test } from 'vitest'
import { watchSleep } from './sleep-watch'

function computer() {
  let [at, isHidden] = [1_000_000, false]
  const looks = new Set<() => void>()
  const watched = watchSleep({
    now: () => at,
    isHidden: () => isHidden,
    each: (look) => {
      looks.add(look)
      return () => void looks.delete(look)
    },
  })
  const pass = (ms: number): void => void (at += ms)
  const look = (): void => looks.forEach((one) => one())
  return { ...watched, looks, pass, look, hide: (hidden: boolean) => void (isHidden = hidden) }
}

test('a computer has slept once its clock has gone on without it, and that is told once', () => {
  const { hasSlept, pass, look } = computer()
  for (let second = 0; second < 60; second += 5) {
    pass(5_000)
    look()
  }
  expect(hasSlept()).toBe(false)
  pass(40_000)
  expect([hasSlept(), hasSlept()]).toEqual([true, false])
  pass(40_000)
  look()
  pass(5_000)
  look()
  expect(hasSlept(), 'it is known still when somebody asks').toBe(true)
})

test('a hidden tab is run once a minute, and has not slept, also once it is shown again', () => {
  const { hasSlept, pass, look, hide } = computer()
  hide(true)
  look()
  pass(60_000)
  look()
  pass(55_000)
  hide(false)
  expect(hasSlept()).toBe(false)
  hide(true)
  look()
  pass(91_000)
  expect(hasSlept()).toBe(true)
})

test('one that is watched no more is not looked at', () => {
  const { end, looks } = computer()
  end()
  expect(looks.size).toBe(0)
})
