import { describe, expect, test } from 'vitest'
import { changed, conflictIn, faultsIn, historyPage, imported, objectPage, stored } from './agent-setup-answers'

describe('answers of Agent Setup', () => {
  test('what is not as the document says is not taken', () => {
    expect(stored({ id: 'ann', revision: 7, object: {} })).toEqual({ id: 'ann', revision: 7, object: {} })
    expect(stored({ id: 'ann', object: {} })).toBeUndefined()
    expect(objectPage({ items: [], next_page_token: '' })).toEqual({ items: [], next: '' })
    expect(objectPage({ items: [{}], next_page_token: '' })).toBeUndefined()
    expect(changed({ revision: 8, changes: [{ kind: 'skill', id: 'x', revision: 8, before: null, after: {} }] })?.changes).toHaveLength(1)
    expect(imported({ rows: 2, changed: 1, faults: [{ line: 3, column: 'disabled', rule: 'it is true or false', code: 'wrong_type', values: { wanted: 'flag' } }], changes: [], checked: '' })).toMatchObject({ rows: 2, faults: [{ line: 3 }] })
  })
  test('the history says when and by which way', () => {
    const entry = { number: 1, revision: 7, by: 'ann', way: 'backup', client: '', session: '', source: '192.0.2.1', kind: 'skill', id: 'x', before: null, after: {}, secrets_changed: true }
    const read = (changes: object) => historyPage({ items: [{ ...entry, ...changes }], next_page_token: '' })?.items
    expect(read({ at: '1970-01-01T00:00:01Z' })).toMatchObject([{ at: 1_000, way: 'backup', source: '192.0.2.1', secretsChanged: true }])
    expect(read({ at: 'soon' })).toBeUndefined()
    expect(read({ at: '1970-01-01T00:00:01Z', way: 'pigeon' })).toBeUndefined()
  })
  test('problems name faults, how many more, and conflicts', () => {
    const problem = { type: 'faulty', title: 'The request has faults', status: 422 }
    const fault = { kind: 'skill', id: 'x', field: 'name', rule: 'odd', code: 'other', values: {} }
    expect(faultsIn({ ...problem, faults: [fault], more: 3 })).toEqual({ faults: [fault], more: 3 })
    // A later release may have further codes.
    expect(faultsIn({ ...problem, faults: [{ ...fault, code: 'brand_new' }] })?.faults).toHaveLength(1)
    expect(faultsIn(problem)).toBeUndefined()
    expect(faultsIn('<html>')).toBeUndefined()
    expect(conflictIn({ ...problem, kind: 'skill', id: 'x', revision: 3 })).toEqual({ kind: 'skill', id: 'x', revision: 3 })
    expect(conflictIn(problem)).toBeUndefined()
  })
})
