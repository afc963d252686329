import { afterEach, describe, expect, test, vi } from 'vitest'
import { isOnCall, isUnsaved, letGo, NOTES_KEPT, tellHeld, tellUnsaved, type Held } from './unsaved'

afterEach(() => {
  letGo({ removeItem: () => undefined })
  vi.unstubAllGlobals()
})

describe('what would be lost', () => {
  test('a form and notes are typed, calls at the phone and in the page are calls', () => {
    expect([isUnsaved(), isOnCall()]).toEqual([false, false])
    tellUnsaved(true)
    tellHeld('call', true)
    expect([isUnsaved(), isOnCall()]).toEqual([true, true])
    // A form that is left takes nothing from the notes.
    tellHeld('notes', true)
    tellUnsaved(false)
    expect(isUnsaved()).toBe(true)
  })
  test('the browser asks while notes are not saved, or a call is heard here, and not otherwise', () => {
    let listeners = 0
    vi.stubGlobal('addEventListener', () => (listeners = 1))
    vi.stubGlobal('removeEventListener', () => (listeners = 0))
    const asks = (what: Held): readonly number[] => [true, false].map((is) => (tellHeld(what, is), listeners))
    expect([asks('notes'), asks('phone'), asks('call'), asks('typed')]).toEqual([[1, 0], [1, 0], [0, 0], [0, 0]])
  })
  test('who signs out lets all of it go', () => {
    const gone: string[] = []
    tellHeld('phone', true)
    tellHeld('notes', true)
    letGo({ removeItem: (name) => void gone.push(name) })
    expect([isUnsaved(), isOnCall(), gone]).toEqual([false, false, [NOTES_KEPT]])
  })
})
