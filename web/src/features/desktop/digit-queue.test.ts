import { expect, test } from 'vitest'
import { digitBeside, newDigitQueue } from './digit-queue'

const settled = async (): Promise<void> => {
  for (let turns = 0; turns < 10; turns += 1) await Promise.resolve()
}

test('digits go one after the other, and those that wait go together', async () => {
  const sent: string[] = []
  const answers: ((isWell: boolean) => void)[] = []
  const press = newDigitQueue((digits) => {
    sent.push(digits)
    return new Promise((resolve, reject) => answers.push((isWell) => (isWell ? resolve(true) : reject(new Error('away')))))
  })
  for (const digit of ['1', '2', '3']) void press(digit)
  await settled()
  expect(sent).toEqual(['1'])
  answers.shift()?.(false)
  await settled()
  expect(sent).toEqual(['1', '23'])
  answers.shift()?.(true)
  await settled()
  void press('4')
  expect(sent).toEqual(['1', '23', '4'])
})

test('a digit that is typed at a button of the keypad is one of it, and no other key is', () => {
  const key = (of: string, more: object = {}): Parameters<typeof digitBeside>[0] => ({ key: of, ctrlKey: false, metaKey: false, altKey: false, repeat: false, ...more })
  expect(['1', '0', '*', '#', 'a', 'Enter', ' ', 'F1'].map((of) => digitBeside(key(of), false))).toEqual(['1', '0', '*', '#', '', '', '', ''])
  expect([digitBeside(key('1'), true), digitBeside(key('1', { ctrlKey: true }), false), digitBeside(key('1', { repeat: true }), false)]).toEqual(['', '', ''])
})
