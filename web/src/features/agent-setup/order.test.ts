import { describe, expect, test } from 'vitest'
import type { Stored } from '../../api/agent-setup'
import { inOrder, moved, nextPlace, ordered, placed } from './order'

const rule = (id: string, place: number): Stored => ({ id, revision: 7, object: { name: id, place } })
const names = (rules: readonly Stored[]): readonly string[] => rules.map(({ id }) => id)
const places = (rules: readonly Stored[]) => placed(rules).map(({ id, object }) => [id, object?.['place']])

describe('rules that apply one after the other', () => {
  const rules = [rule('a', 4), rule('b', 0), rule('c', 2)]
  test('stand by their places, two of one by their names', () => {
    expect(names(inOrder(rules))).toEqual(['b', 'c', 'a'])
    // By bytes: capitals first, an astral character behind one that UTF-16 puts behind it.
    const same = ['b', 'a', 'ab', 'Z', '\u{1F600}', '\uFF5E', '10', '2'].map((id) => rule(id, 1))
    expect(names(inOrder(same))).toEqual(['10', '2', 'Z', 'a', 'ab', 'b', '\uFF5E', '\u{1F600}'])
  })
  test('move up and down, and no further than the ends', () => {
    expect(moved(['a', 'b', 'c'], 'c', -1)).toEqual(['a', 'c', 'b'])
    expect(moved(['a', 'b', 'c'], 'a', 2)).toEqual(['b', 'c', 'a'])
    expect(moved(['a', 'b', 'c'], 'c', -2)).toEqual(['c', 'a', 'b'])
    expect(moved(['a', 'b'], 'a', -1)).toEqual(['a', 'b'])
    expect(moved(['a', 'b'], 'x', 1)).toEqual(['a', 'b'])
  })
  test('a rule that came meanwhile stands behind, one that is gone is left out', () => {
    expect(names(ordered(rules, ['c', 'gone', 'b']))).toEqual(['c', 'b', 'a'])
  })
  test('only those change that have another place then', () => {
    expect(places(inOrder(rules))).toEqual([])
    expect(places(ordered(rules, ['c', 'b', 'a']))).toEqual([['c', 0], ['b', 2]])
    expect(placed(ordered(rules, ['c', 'b', 'a']))[0]).toMatchObject({ kind: 'dial_rule', action: 'merge', expected_revision: 7, fields: ['place'] })
  })
  test('two of one place are told apart', () => {
    const twice = [rule('a', 1), rule('b', 1), rule('c', 2)]
    expect(places(ordered(twice, ['b', 'a', 'c']))).toEqual([['a', 2], ['c', 3]])
  })
  test('a new one comes last', () => {
    expect([nextPlace(rules), nextPlace([])]).toEqual([5, 0])
  })
})
