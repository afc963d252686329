import { expect, test } from 'vitest'
import { reinvited, type Reinvited } from './re-invite'

async function asked(hasOwnCallId: boolean, ...answers: readonly Reinvited[]) {
  const waited: number[] = []
  const left = [...answers]
  const isTaken = await reinvited(() => Promise.resolve(left.shift() ?? 491), hasOwnCallId, {
    wait: (ms) => Promise.resolve(void waited.push(ms)),
    chance: () => 0.5,
  })
  return { isTaken, waited, asked: answers.length - left.length }
}

test('a change that is refused for now is asked for again, later by who has made the Call-ID', async () => {
  expect(await asked(false, 200)).toMatchObject({ isTaken: true, waited: [] })
  expect(await asked(false, 491, 'pending', 503, 200)).toMatchObject({ isTaken: true, waited: [1_000, 1_500, 2_000] })
  expect(await asked(true, 491, 200)).toMatchObject({ isTaken: true, waited: [3_050] })
})

test('what is refused for good, a call that is over, and the twelfth refusal end it', async () => {
  for (const end of [488, 481, 'over'] as const) expect(await asked(false, end), `${end}`).toMatchObject({ isTaken: false, waited: [], asked: 1 })
  const refused = await asked(false)
  expect([refused.isTaken, refused.waited.length]).toEqual([false, 11])
})
