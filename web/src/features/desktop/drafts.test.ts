import { describe, expect, test } from 'vitest'
import { callIn, type Call } from '../../api/workspace-shapes'
import { NOTES_KEPT } from '../../lib/unsaved'
import { newDrafts, orphans, type Drafts } from './drafts'
import { AT, call } from './messages-for-tests'

const read = (id: string, notes: string, more: object = {}): Call => {
  const found = callIn(call(id, 'Established', { callUuid: `U${id}`, userData: notes === '' ? [] : [{ key: 'Notes', type: 'str', value: notes }], ...more }), AT)
  if (found === undefined) throw new Error('no call')
  return found
}

type Room = { readonly drafts: Drafts; readonly kept: Map<string, string> }

function room(kept = new Map<string, string>()): Room {
  const drafts = newDrafts({ getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value), removeItem: (key) => void kept.delete(key) })
  drafts.begin('ada')
  return { drafts, kept }
}

const yes = (): Promise<boolean> => Promise.resolve(true)
const no = (): Promise<boolean> => Promise.resolve(false)
const states = (drafts: Drafts): readonly string[] => drafts.all().map(({ value, state }) => `${value} ${state}`)

describe('what is typed about calls', () => {
  test('stays until the server tells it, through a refusal', async () => {
    const { drafts } = room()
    const one = read('1', '')
    drafts.type(one, '+49', 'Notes', 'an offer')
    expect([await drafts.save(one, 'Notes', no), states(drafts)]).toEqual([false, ['an offer refused']])
    drafts.told([one])
    expect([await drafts.flush([one], yes), states(drafts)]).toEqual([true, ['an offer taken']])
    // It is refused after all.
    drafts.refused()
    expect(states(drafts)).toEqual(['an offer refused'])
    drafts.told([read('1', 'an offer')])
    expect(states(drafts)).toEqual([])
  })
  test('what is typed while it is being saved is saved by itself', async () => {
    const { drafts } = room()
    const one = read('1', '')
    drafts.type(one, '+49', 'Notes', 'an')
    let answer = (_: boolean): void => undefined
    const saving = drafts.save(one, 'Notes', () => new Promise((resolve) => (answer = resolve)))
    drafts.type(one, '+49', 'Notes', 'an offer')
    answer(true)
    await saving
    drafts.told([read('1', 'an')])
    expect(states(drafts)).toEqual(['an offer typed'])
  })
  test('what is typed back is nothing to save', () => {
    const { drafts, kept } = room()
    const one = read('1', 'old')
    drafts.type(one, '+49', 'Notes', 'older')
    drafts.type(one, '+49', 'Notes', 'old')
    expect([states(drafts), kept.has(NOTES_KEPT)]).toEqual([[], false])
  })
  test('outlasts the page, for the one who has typed it alone', async () => {
    const { drafts, kept } = room()
    drafts.type(read('1', ''), '+49', 'Notes', 'an offer')
    expect(states(room(new Map(kept)).drafts)).toEqual(['an offer typed'])
    const other = room(new Map(kept)).drafts
    other.begin('ben')
    expect(states(other)).toEqual([])
    expect(states(room(new Map([[NOTES_KEPT, '{"user":"ada","drafts":[1,null,{"call":7}]}']])).drafts)).toEqual([])
  })
  test('goes on with a call under another id, and is left over where the call is gone', async () => {
    const { drafts } = room()
    drafts.type(read('1', ''), '+49', 'Notes', 'an offer')
    const next = read('2', '', { callUuid: 'U2', previousConnId: '1' })
    expect([orphans(drafts.all(), [next]), drafts.of(next, 'Notes')?.value]).toEqual([[], 'an offer'])
    const saved: string[] = []
    await drafts.flush([next], (to, _, value) => {
      saved.push(`${to.id} ${value}`)
      return no()
    })
    expect([saved, orphans(drafts.all(), []).map(({ who, value }) => `${who} ${value}`)]).toEqual([['2 an offer'], ['+49 an offer']])
    // What was taken of a call that is gone is done with.
    await drafts.flush([next], yes)
    drafts.told([])
    expect(states(drafts)).toEqual([])
  })
})
