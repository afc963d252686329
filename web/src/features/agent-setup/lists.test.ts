import { describe, expect, test } from 'vitest'
import type { Stored } from '../../api/agent-setup'
import { chosenToo, latest, NOBODY, suggested, together, without } from './paging'
import { boxOf, isSameWords, synced } from './search-box'
import { fieldsOf, sectionAt } from './sections'

const person = (id: string, revision: number): Stored => ({ id, revision, object: { user_name: id } })

describe('lists', () => {
  test('an object that has moved to another page is there once', () => {
    expect(together([{ items: [person('ann', 7)], next: 'x' }, { items: [person('ann', 8)], next: '' }])).toEqual([person('ann', 8)])
  })
  test('a list asks for what it shows', () => {
    const queues = sectionAt('queues')
    expect(queues === undefined ? [] : fieldsOf(queues)).toEqual(['number', 'type', 'application', 'service_level_s'])
    const people = sectionAt('people')
    // What is changed of several people at once must be known of them.
    expect(people === undefined ? [] : fieldsOf(people)).toEqual(expect.arrayContaining(['agent.id', 'agent.skills', 'disabled']))
  })
  test('names that are typed come first, then those that begin so', () => {
    expect(suggested('an', ['Ann', 'an', 'Anton'], ['an', 'Dana', 'Ann'], 4)).toEqual(['an', 'Ann', 'Anton', 'Dana'])
    expect(suggested('', ['a', 'b', 'c'], [], 2)).toEqual(['a', 'b'])
  })
})

describe('who is chosen', () => {
  const chosen = chosenToo(chosenToo(NOBODY, [person('ann', 7), person('bob', 7)]), [person('eve', 7)])
  test('stays chosen under another filter, at the revision that was read last', () => {
    expect(latest(chosen, [person('bob', 9), person('joe', 9)])).toEqual([person('ann', 7), person('bob', 9), person('eve', 7)])
    expect(latest(chosenToo(chosen, [person('ann', 10)]), [person('ann', 8)])[0]).toEqual(person('ann', 10))
  })
  test('until it is let go', () => {
    expect([...without(chosen, ['ann', 'joe']).keys()]).toEqual(['bob', 'eve'])
  })
})

describe('the search box', () => {
  const typed = { ...boxOf({ q: '', skill: '' }), typed: { q: 'ann', skill: '' }, told: { q: 'an', skill: '' } }
  test('goes on while its own words arrive', () => {
    expect(synced(typed, { q: 'an', skill: '' }).typed.q).toBe('ann')
  })
  test('shows the filter of a link or of the way back', () => {
    const back = synced(synced(typed, { q: 'an', skill: '' }), { q: 'bob', skill: '' })
    expect(back.typed).toEqual({ q: 'bob', skill: '' })
    expect(synced(back, { q: 'bob', skill: '' })).toBe(back)
    expect(isSameWords(back.typed, { q: 'bob', skill: 'Sales' })).toBe(false)
  })
})
