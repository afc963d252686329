import { describe, expect, test } from 'vitest'
import type { Changed, Outcome, Page, Stored } from '../../api/agent-setup'
import { conflictIn, faultsIn, historyEntry, imported, page, stored } from '../../api/agent-setup-answers'
import { isAbout, isMeant, pressed } from '../../lib/shortcuts'
import { IDLE, isDeletion, isTaken, mayPropose, next, type Flow, type Proposal } from './change-flow'
import { bulk, clashes, creation, rebased, update } from './edits'
import { isLoaded, load, PAGE, together } from './paging'

const person = (id: string, skills: readonly { skill: string; level: number }[] | undefined, disabled = false): Stored => ({
  id,
  revision: 7,
  object: { user_name: id, disabled, agent: skills === undefined ? null : { id, skills } },
})

describe('edits', () => {
  test('a change sends the fields that differ', () => {
    const base = { id: 'ann', revision: 7, object: { user_name: 'ann', first_name: 'Ann', email: null } }
    expect(update('person', base, base.object)).toBeUndefined()
    expect(update('person', base, { ...base.object, email: 'a@b.c' })).toEqual({ kind: 'person', id: 'ann', action: 'merge', expected_revision: 7, object: { email: 'a@b.c' }, fields: ['email'] })
    expect(creation('skill', 'French', { name: 'French' })).toMatchObject({ action: 'put', expected_revision: 0 })
  })
  test('a secret that is removed is named, for no document shows it', () => {
    const base = { id: 'ann', revision: 7, object: { user_name: 'ann', agent: { id: 'a1', pin: null } } }
    expect(update('person', base, base.object, ['agent.pin'])).toMatchObject({ fields: ['agent.pin'], object: { agent: { pin: null } } })
    expect(update('person', base, { ...base.object, agent: null }, ['agent.pin'])).toMatchObject({ fields: ['agent'] })
  })
  test('several people at once: only those whom it changes', () => {
    const people = [person('ann', [{ skill: 'Sales', level: 5 }]), person('bob', [{ skill: 'Sales', level: 2 }, { skill: 'French', level: 1 }]), person('eve', undefined)]
    const added = bulk(people, { kind: 'add-skill', skill: 'Sales', level: 5 })
    expect(added.noAgents).toBe(1)
    expect(added.edits).toMatchObject([{ id: 'bob', fields: ['agent.skills'], object: { agent: { skills: [{ skill: 'Sales', level: 5 }, { skill: 'French', level: 1 }] } } }])
    expect(bulk(people, { kind: 'remove-skill', skill: 'French' }).edits).toMatchObject([{ id: 'bob', object: { agent: { skills: [{ skill: 'Sales', level: 2 }] } } }])
    expect(bulk(people, { kind: 'disable' }).edits.map(({ id, fields }) => [id, fields])).toEqual([['ann', ['disabled']], ['bob', ['disabled']], ['eve', ['disabled']]])
    expect(bulk(people, { kind: 'enable' }).edits).toEqual([])
  })
  test('mine upon theirs: what only they have changed stays', () => {
    const base = { first_name: 'Ann', last_name: 'Archer', email: null }
    const [theirs, mine] = [{ ...base, last_name: 'Adler', email: 'a@b.c' }, { ...base, email: 'ann@b.c' }]
    expect(rebased(base, theirs, mine)).toEqual({ first_name: 'Ann', last_name: 'Adler', email: 'ann@b.c' })
    expect(clashes(base, theirs, mine).map(({ path, isBoth }) => [path, isBoth])).toEqual([['last_name', false], ['email', true]])
  })
})

describe('a change from its check to its end', () => {
  const proposal: Proposal = { edits: [creation('skill', 'French', { name: 'French' })], requestId: 'r1', secrets: [] }
  const good: Outcome<Changed> = { kind: 'ok', value: { revision: 8, changes: [{ kind: 'skill', id: 'French', revision: 8, before: null, after: { name: 'French' } }] } }
  const lost: Outcome<Changed> = { kind: 'failed', failure: { kind: 'unreachable', detail: '' } }
  const checking = next(IDLE, { kind: 'propose', proposal })
  const answered = (flow: Flow, outcome: Outcome<Changed>): Flow => next(flow, { kind: 'answered', requestId: 'r1', outcome })
  const review = answered(checking, good)
  const applying = next(review, { kind: 'confirm' })

  test('nothing is made that was not shown', () => {
    expect(next(checking, { kind: 'confirm' })).toBe(checking)
    expect(review.kind).toBe('review')
    expect(applying.kind).toBe('applying')
    expect(answered(applying, good)).toMatchObject({ kind: 'done', changed: { revision: 8 } })
  })
  test('an attempt whose answer is lost is tried again under its name', () => {
    expect(answered(applying, lost)).toMatchObject({ kind: 'review', proposal: { requestId: 'r1' }, failure: { kind: 'unreachable' } })
    expect(answered(checking, lost).kind).toBe('failed')
  })
  test('an answer to another attempt, or after a step back, changes nothing', () => {
    expect(next(checking, { kind: 'answered', requestId: 'r0', outcome: good })).toBe(checking)
    expect(answered(next(checking, { kind: 'cancel' }), good)).toBe(IDLE)
    expect(next(applying, { kind: 'cancel' })).toBe(applying)
  })
  test('what is being checked or decided is not sent again', () => {
    expect(next(checking, { kind: 'propose', proposal: { ...proposal, requestId: 'r2' } })).toBe(checking)
    expect([IDLE, answered(checking, lost)].map(mayPropose)).toEqual([true, true])
    expect([checking, review, applying].map(mayPropose)).toEqual([false, false, false])
  })
  test('a new object whose name is taken is no change of somebody else', () => {
    const conflict = (id: string): Outcome<Changed> => ({ kind: 'conflict', conflict: { kind: 'skill', id, revision: 9 } })
    expect(isTaken(answered(checking, conflict('french')))).toBe(true)
    const changing = next(IDLE, { kind: 'propose', proposal: { ...proposal, edits: [{ kind: 'skill', id: 'French', action: 'merge', expected_revision: 7 }] } })
    expect(isTaken(answered(changing, conflict('French')))).toBe(false)
  })
  test('a change that changes nothing is not asked for', () => {
    expect(answered(checking, { kind: 'ok', value: { revision: 7, changes: [] } })).toEqual({ kind: 'same' })
  })
  test('what is deleted is said by the edit: a large document is not shown', () => {
    expect(isDeletion(proposal, { kind: 'skill', id: 'French' })).toBe(false)
    expect(isDeletion({ ...proposal, edits: [{ kind: 'skill', id: 'French', action: 'delete' }] }, { kind: 'skill', id: 'French' })).toBe(true)
  })
  test('faults and conflicts', () => {
    expect(answered(checking, { kind: 'faults', faults: [{ kind: 'skill', id: 'French', field: 'name', rule: 'odd' }] }).kind).toBe('faulty')
    expect(answered(applying, { kind: 'conflict', conflict: { kind: 'skill', id: 'French', revision: 9 } })).toMatchObject({ kind: 'conflict', conflict: { revision: 9 } })
  })
})

describe('pages of a list', () => {
  const all = Array.from({ length: 3 * PAGE }, (_, index) => ({ id: String(index).padStart(4, '0'), revision: 1, object: { type: index % 3 === 0 ? 'route_point' : 'extension' } }))
  const ask = async (token: string, size: number): Promise<Outcome<Page<Stored>>> => {
    const from = Number(token || '0')
    return { kind: 'ok', value: { items: all.slice(from, from + Math.min(size, 50)), next: from + 50 < all.length ? String(from + 50) : '' } }
  }
  test('it goes on until there is enough, or nothing more', async () => {
    const everything = await load(ask, '', () => true, false)
    expect(isLoaded(everything) && [everything.items.length, everything.next]).toEqual([PAGE, '100'])
    const some = await load(ask, '', ({ object }) => object['type'] === 'route_point', true)
    expect(isLoaded(some) && [some.items.length, some.next]).toEqual([PAGE, ''])
  })
  test('a failure is told', async () => {
    expect(await load(async () => ({ kind: 'failed', failure: { kind: 'unreachable', detail: '' } }), '', () => true, false)).toMatchObject({ kind: 'unreachable' })
  })
  test('an object that has moved to another page is there once', () => {
    const [one, two] = [person('ann', undefined), { ...person('ann', undefined), revision: 8 }]
    expect(together([{ items: [one], next: 'x' }, { items: [two], next: '' }])).toEqual([two])
  })
})

describe('answers', () => {
  test('what is not as it should be is not taken', () => {
    expect(stored({ id: 'ann', revision: 7, object: {} })).toEqual({ id: 'ann', revision: 7, object: {} })
    expect(stored({ id: 'ann', object: {} })).toBeUndefined()
    expect(page(stored)({ items: [], next_page_token: null })).toEqual({ items: [], next: '' })
    expect(page(stored)({ items: [{}] })).toBeUndefined()
  })
  test('times are milliseconds or RFC 3339', () => {
    const entry = { number: 1, revision: 7, by: 'ann', way: 'import', kind: 'skill', id: 'x', before: null, after: {}, secrets_changed: true }
    expect(historyEntry({ ...entry, at: 1_000 })?.at).toBe(1_000)
    expect(historyEntry({ ...entry, at: '1970-01-01T00:00:01Z' })).toMatchObject({ at: 1_000, secretsChanged: true })
    expect(historyEntry({ ...entry, at: 'soon' })).toBeUndefined()
  })
  test('faults, conflicts and tables', () => {
    expect(faultsIn({ faults: [{ kind: 'skill', id: 'x', field: 'name', rule: 'odd' }] })).toHaveLength(1)
    expect(faultsIn('<html>')).toEqual([])
    expect(conflictIn({ kind: 'skill', id: 'x', revision: 3 })).toEqual({ kind: 'skill', id: 'x', revision: 3 })
    expect(imported({ rows: 2, changed: 1, faults: [{ line: 3, column: 'disabled', rule: 'it is true or false' }] })).toMatchObject({ rows: 2, faults: [{ line: 3 }] })
  })
})

test('a key that is held or comes twice is no second press', () => {
  const press = { defaultPrevented: false, isComposing: false, repeat: false }
  expect(isMeant(press)).toBe(true)
  expect(isMeant({ ...press, repeat: true })).toBe(false)
  expect([isAbout(1_000, 1_200), isAbout(1_000, 2_000), isAbout(Infinity, 2_000)]).toEqual([false, true, false])
})

test('shortcuts of one key and of two', () => {
  const run = (): void => undefined
  const known = [{ keys: 'g p', says: '', run }, { keys: 'n', says: '', run }, { keys: '', says: '', run }]
  expect(pressed(known, '', 'g')).toEqual({ does: undefined, waiting: 'g' })
  expect(pressed(known, 'g', 'p').does?.keys).toBe('g p')
  expect(pressed(known, 'g', 'n').does?.keys).toBe('n')
  expect(pressed(known, '', 'p')).toEqual({ does: undefined, waiting: '' })
})
