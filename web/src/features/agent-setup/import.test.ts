import { describe, expect, test } from 'vitest'
import type { Imported, Outcome } from '../../api/agent-setup'
import { passwordsIn, refusedHere, TABLE_BYTES_MAX } from './table-check'
import { isOutdated, nextOfTable, NO_TABLE, type TableFlow } from './table-flow'

const table = (name: string) => ({ file: new File([name], `${name}.csv`), requestId: name })
const found: Imported = { rows: 1, changed: 1, faults: [], changes: [{ kind: 'person', id: 'ann', before: null, after: {} }], checked: '7-0' }
const good: Outcome<Imported> = { kind: 'ok', value: found }
const lost: Outcome<Imported> = { kind: 'failed', failure: { kind: 'unreachable', detail: '' } }
const answered = (flow: TableFlow, requestId: string, outcome: Outcome<Imported>): TableFlow => nextOfTable(flow, { kind: 'answered', requestId, outcome })

describe('a table from its choice to its end', () => {
  const checking = nextOfTable(NO_TABLE, { kind: 'choose', table: table('a') })
  const checked = answered(checking, 'a', good)
  const taking = nextOfTable(checked, { kind: 'take' })

  test('it is taken once, after it was shown', () => {
    expect(nextOfTable(checking, { kind: 'take' })).toBe(checking)
    expect(checked).toMatchObject({ kind: 'checked', found: { changes: [{ id: 'ann' }] } })
    expect(taking.kind).toBe('taking')
    expect(nextOfTable(taking, { kind: 'take' })).toBe(taking)
    expect(answered(taking, 'a', good).kind).toBe('done')
  })
  test('a late answer about one table says nothing of the next', () => {
    const second = nextOfTable(checking, { kind: 'choose', table: table('b') })
    expect(answered(second, 'a', good)).toBe(second)
    expect(nextOfTable(second, { kind: 'unfit', requestId: 'a', why: { kind: 'bytes' } })).toBe(second)
    expect(nextOfTable(taking, { kind: 'choose', table: table('b') })).toBe(taking)
  })
  test('whose answer is lost is tried again under its name', () => {
    expect(answered(taking, 'a', lost)).toMatchObject({ kind: 'checked', table: { requestId: 'a' }, failure: { kind: 'unreachable' } })
    expect(answered(checking, 'a', lost)).toMatchObject({ kind: 'unfit' })
  })
  test('where its people were changed since the check it is checked anew, under another name', () => {
    const stale = { line: 2, column: '', rule: 'changed', code: 'stale', values: {} } as const
    const outdated = answered(taking, 'a', { kind: 'ok', value: { ...found, faults: [stale], changes: [], checked: '' } })
    expect(outdated).toMatchObject({ kind: 'checked', found: { faults: [{ line: 2 }] } })
    expect([nextOfTable(outdated, { kind: 'take' }), isOutdated(found), isOutdated({ ...found, faults: [stale] })]).toEqual([outdated, false, true])
    expect(nextOfTable(outdated, { kind: 'check-anew', requestId: 'b' })).toMatchObject({ kind: 'checking', table: { requestId: 'b', file: { name: 'a.csv' } } })
    expect(nextOfTable(taking, { kind: 'check-anew', requestId: 'b' })).toBe(taking)
  })
  test('what a table as a whole breaks is told, and how much of it is not', () => {
    const rule = { kind: 'person', id: '', field: '', rule: 'odd', code: 'other', values: {} } as const
    expect(answered(checking, 'a', { kind: 'faults', faults: [rule], more: 7 })).toMatchObject({ kind: 'unfit', why: { kind: 'refused', faults: [{ rule: 'odd' }], more: 7 } })
    expect(answered(checking, 'a', { kind: 'faults', faults: [rule] })).toMatchObject({ why: { more: 0 } })
  })
  test('with a faulty line it is not taken', () => {
    const faulty = answered(checking, 'a', { kind: 'ok', value: { ...found, faults: [{ line: 2, column: '', rule: 'odd', code: 'other', values: {} }] } })
    expect(nextOfTable(faulty, { kind: 'take' })).toBe(faulty)
  })
})

describe('what is told before a table is sent', () => {
  test('passwords are counted as the server reads the table', () => {
    expect(passwordsIn('user_name,password\nann,secret1\nbob,\neve,"a,""b"\n')).toBe(2)
    expect(passwordsIn('\uFEFFuser_name;password;email\r\nann;secret1;\r\nbob;;b@c.d')).toBe(1)
    expect(passwordsIn('user_name,email\nann,a@b.c\n')).toBe(0)
    expect(passwordsIn('user_name,pin,password\nann,4711,secret1\nbob,,\neve,4712,\n')).toBe(2)
    expect(passwordsIn('user_name,"password"\n"a\nb",x')).toBe(1)
  })
  test('too much is refused here', async () => {
    const rows = Array.from({ length: 51 }, (_, index) => `p${index},secret${index}`)
    expect(await refusedHere(new Blob([['user_name,password', ...rows].join('\n')]))).toEqual({ kind: 'passwords', count: 51 })
    expect(await refusedHere({ size: TABLE_BYTES_MAX + 1 } as Blob)).toEqual({ kind: 'bytes' })
    expect(await refusedHere(new Blob(['user_name\nann']))).toBeUndefined()
  })
})
