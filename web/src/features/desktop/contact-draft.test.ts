import { describe, expect, test } from 'vitest'
import { contactIn, contactsIn, isChangedSince, targetOf } from '../../api/workspace-contacts'
import { draftOf, faultsOf, isFaulty, savedOf, withChanged, withNumber } from './contact-draft'

const INES = { id: 'a1', isShared: true, name: 'Ines Iversen', company: 'Iversen Tea', numbers: [{ type: 'mobile', number: '+4930123456' }, { type: 'pager', number: '7101' }], emailAddress: 'ines@iversen.example', note: '', changedAt: 7 }

describe('contacts', () => {
  test('they are read as the server tells them; what is none is left out', () => {
    const found = contactsIn({ contacts: [INES, { name: 'without an id' }], totalMatches: 7, mayShare: true })
    expect([found.contacts.length, found.total, found.mayShare]).toEqual([1, 7, true])
    expect(contactIn(INES)).toEqual({ id: 'a1', changedAt: 7, isShared: true, name: 'Ines Iversen', company: 'Iversen Tea', email: 'ines@iversen.example', note: '', numbers: [{ kind: 'mobile', number: '+4930123456' }, { kind: 'other', number: '7101' }] })
    expect(contactsIn(undefined)).toEqual({ contacts: [], total: 0, mayShare: false })
  })

  test('a change of what somebody else has changed is told from other refusals', () => {
    const refused = (status: number, why: string): boolean => isChangedSince({ kind: 'refused', status, why })
    expect([refused(409, 'changedAt: the contact was changed since 7; read it again'), refused(409, 'contact: there are 500 already'), refused(400, 'changedAt: it is no time'), isChangedSince({ kind: 'unreachable' })]).toEqual([true, false, false, false])
  })

  test('the first number of one is called', () => {
    const ines = contactIn(INES)
    expect(ines === undefined ? undefined : targetOf(ines)).toMatchObject({ type: 'custom-contact', id: 'a1', number: '+4930123456' })
  })

  test('places that are empty are not saved, nor what stands between digits', () => {
    const draft = withChanged(withNumber({ ...draftOf(undefined), name: ' Ines ' }), 1, { number: '+49 (30) 123-456', kind: 'mobile' })
    expect(savedOf(draft)).toEqual({ name: 'Ines', company: '', email: '', note: '', isShared: false, numbers: [{ kind: 'mobile', number: '+4930123456' }] })
    expect(isFaulty(faultsOf(draft))).toBe(false)
  })

  test('what is wrong is known by its field', () => {
    const wrong = (change: object): unknown => faultsOf({ ...draftOf(undefined), name: 'Ines', ...change })
    expect(wrong({ name: ' ' })).toEqual({ name: true, email: false, numbers: [false] })
    expect(wrong({ email: 'ines' })).toEqual({ name: false, email: true, numbers: [false] })
    for (const number of ['call me', '+0301', '+1', '1234567890123456']) {
      expect(wrong({ numbers: [{ kind: 'work', number }] }), number).toEqual({ name: false, email: false, numbers: [true] })
    }
    expect(isFaulty({ name: false, email: false, numbers: [false, true] })).toBe(true)
  })
})
