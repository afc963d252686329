import { describe, expect, test } from 'vitest'
import type { Changed, Outcome, Stored } from '../../api/agent-setup'
import { isAbout, isMeant, onTop, pressed, takesLetters } from '../../lib/shortcuts'
import { BATCH, inBatches } from './batches'
import { deletedIn, IDLE, isDeletion, isTaken, mayPropose, next, shutsOut, type Flow, type Proposal } from './change-flow'
import { bulk, clashes, creation, rebased, update } from './edits'

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
  test('what is sent in batches says how far it is, and what was made before a refusal', () => {
    const far = next(applying, { kind: 'progress', requestId: 'r1', done: BATCH })
    expect(far).toMatchObject({ kind: 'applying', done: BATCH })
    expect(next(applying, { kind: 'progress', requestId: 'r0', done: BATCH })).toBe(applying)
    expect(answered(far, { kind: 'conflict', conflict: { kind: 'skill', id: 'French', revision: 9 } })).toMatchObject({ kind: 'conflict', made: BATCH })
  })
  test('a failure in the middle is not the end: what was made is told when it is given up, and counts once when it is tried again', () => {
    const many: Proposal = { ...proposal, edits: Array.from({ length: 3 * BATCH }, (_, index) => creation('skill', String(index), { name: String(index) })) }
    const shown = answered(next(IDLE, { kind: 'propose', proposal: many }), good)
    const far = next(next(shown, { kind: 'confirm' }), { kind: 'progress', requestId: 'r1', done: 2 * BATCH })
    const failed = answered(far, lost)
    expect(failed).toMatchObject({ kind: 'review', made: 2 * BATCH, failure: { kind: 'unreachable' } })
    expect(next(failed, { kind: 'cancel' })).toMatchObject({ kind: 'stopped', made: 2 * BATCH })
    expect(mayPropose(next(failed, { kind: 'cancel' }))).toBe(true)
    // The second try fails at once: what the first has made is made.
    const again = answered(next(failed, { kind: 'confirm' }), lost)
    expect(next(again, { kind: 'cancel' })).toMatchObject({ kind: 'stopped', made: 2 * BATCH })
    // Before any of it was sent, and of one batch alone, there is nothing to be told.
    expect(next(shown, { kind: 'cancel' })).toBe(IDLE)
    expect(next(answered(applying, lost), { kind: 'cancel' })).toBe(IDLE)
  })
  test('many edits go in batches, each under its own name, until one is refused', async () => {
    const edits = Array.from({ length: 2 * BATCH + 1 }, (_, index) => creation('skill', String(index), { name: String(index) }))
    const sent: [string, number][] = []
    const far: number[] = []
    const send = async (name: string, batch: readonly unknown[]): Promise<Outcome<Changed>> => {
      sent.push([name, batch.length])
      return good
    }
    expect(await inBatches(edits, 'r1', send, (done) => far.push(done), () => true)).toMatchObject({ kind: 'ok', value: { revision: 8, changes: [{}, {}, {}] } })
    expect([sent, far]).toEqual([[['r1.0', BATCH], ['r1.1', BATCH], ['r1.2', 1]], [BATCH, 2 * BATCH, 2 * BATCH + 1]])
    expect(await inBatches(edits, 'r1', async (name, batch) => (name === 'r1.1' ? lost : send(name, batch)), () => undefined, () => true)).toBe(lost)
    sent.length = 0
    await inBatches(edits.slice(0, BATCH), 'r1', send, () => undefined, () => true)
    await inBatches(edits, 'r2', send, () => undefined, () => false)
    expect(sent).toEqual([['r1', BATCH]])
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
    const deleting: Proposal = { ...proposal, edits: [{ kind: 'skill', id: 'French', action: 'delete' }, creation('skill', 'Sales', { name: 'Sales' })] }
    expect(isDeletion(deleting, { kind: 'skill', id: 'French' })).toBe(true)
    expect(deletedIn(deleting, ['Sales', 'French'].map((id) => ({ kind: 'skill', id, before: null, after: null }))).map(({ id }) => id)).toEqual(['French'])
  })
  test('who would disable or delete themselves is told so', () => {
    const people = ['ann', 'bob'].map((id) => person(id, []))
    const disabling: Proposal = { ...proposal, edits: bulk(people, { kind: 'disable' }).edits }
    const changes = (was: boolean, is: boolean) => people.map(({ id, object }) => ({ kind: 'person', id, before: { ...object, disabled: was }, after: { ...object, disabled: is } }))
    expect(['ann', 'eve'].map((user) => shutsOut(user, disabling, changes(false, true)))).toEqual([true, false])
    expect([changes(true, false), changes(true, true), changes(false, false)].map((made) => shutsOut('ann', disabling, made))).toEqual([false, false, false])
    const deleting: Proposal = { ...proposal, edits: [{ kind: 'person', id: 'bob', action: 'delete' }] }
    expect(['ann', 'bob'].map((user) => shutsOut(user, deleting, [{ kind: 'person', id: 'bob', before: {}, after: null }]))).toEqual([false, true])
  })
  test('faults and conflicts', () => {
    expect(answered(checking, { kind: 'faults', faults: [{ kind: 'skill', id: 'French', field: 'name', rule: 'odd', code: 'other', values: {} }] }).kind).toBe('faulty')
    expect(answered(applying, { kind: 'conflict', conflict: { kind: 'skill', id: 'French', revision: 9 } })).toMatchObject({ kind: 'conflict', conflict: { revision: 9 } })
  })
})

test('a key that is held or comes twice is no second press', () => {
  const press = { defaultPrevented: false, isComposing: false, repeat: false }
  expect(isMeant(press)).toBe(true)
  expect(isMeant({ ...press, repeat: true })).toBe(false)
  expect([isAbout(1_000, 1_200), isAbout(1_000, 2_000), isAbout(Infinity, 2_000)]).toEqual([false, true, false])
})

test('a key is for the window on top, not for what lies beneath it', () => {
  const run = (): void => undefined
  const known = [{ keys: 'n', says: 'page', run }, { keys: 'Ctrl+Enter', says: 'review', run, window: 'r' }, { keys: 'Ctrl+Enter', says: 'form', run }]
  const says = (open: readonly string[]) => onTop(known, open).map(({ says }) => says)
  expect([says([]), says(['r']), says(['r', 'leave'])]).toEqual([['page', 'form'], ['review'], []])
})

test('letters are keys where nothing is typed, as at what is ticked', () => {
  const takes = (tagName: string, type?: string, isContentEditable = false) => takesLetters({ tagName, isContentEditable, ...(type === undefined ? {} : { type }) })
  expect(['checkbox', 'radio', 'button', 'submit', 'file'].map((type) => takes('INPUT', type))).toEqual([false, false, false, false, false])
  expect(['text', 'search', 'password', 'email', 'datetime-local'].map((type) => takes('INPUT', type))).toEqual([true, true, true, true, true])
  expect([takes('TEXTAREA', 'textarea'), takes('SELECT', 'select-one'), takes('DIV', undefined, true), takes('BUTTON', 'submit'), takes('A', '')]).toEqual([true, true, true, false, false])
})

test('shortcuts of one key and of two', () => {
  const run = (): void => undefined
  const known = [{ keys: 'g p', says: '', run }, { keys: 'n', says: '', run }, { keys: '', says: '', run }]
  expect(pressed(known, '', 'g')).toEqual({ does: undefined, waiting: 'g' })
  expect(pressed(known, 'g', 'p').does?.keys).toBe('g p')
  expect(pressed(known, 'g', 'n').does?.keys).toBe('n')
  expect(pressed(known, '', 'p')).toEqual({ does: undefined, waiting: '' })
})
