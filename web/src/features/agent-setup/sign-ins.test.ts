import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { addTexts } from '../../lib/i18n'
import { EVENTS, localOf, timeOf, WAYS, wordsOfEvent, wordsOfSignIn } from './sign-in-words'
import { whomOf } from './whom'

await addTexts('agent-setup')
await addTexts('sign-ins')

const page = readFileSync(fileURLToPath(new URL('../../../../docs/sign-in-audit.md', import.meta.url)), 'utf8')
/** The names between backticks. */
const names = (text: string): readonly string[] => [...text.matchAll(/`([a-z_]+)`/g)].map((match) => match[1] ?? '')

describe('what has happened at signing in', () => {
  test('every event and way of the documentation has words', () => {
    const events = page.slice(page.indexOf('| event | what has happened |')).split('\n').filter((line) => line.startsWith('| `')).map((line) => names(line)[0] ?? '')
    expect(events.length).toBeGreaterThan(10)
    expect(Object.keys(EVENTS).sort()).toEqual([...events].sort())
    const ways = names((page.split('\n').find((line) => line.startsWith('| `way` |')) ?? '').split('. ')[0] ?? '').slice(1)
    expect(Object.keys(WAYS).sort()).toEqual([...ways].sort())
  })
  test('is said in words', () => {
    expect(wordsOfSignIn({ event: 'refused', way: 'password', client: 'reports', times: 3 })).toBe('Refused, by password, at reports, 3 times within a minute')
    expect(wordsOfSignIn({ event: 'signed_out', way: '', client: '', times: 1 })).toBe('Signed out')
    expect(wordsOfEvent('brand_new')).toBe('brand new')
    expect(wordsOfEvent('constructor')).toBe('constructor')
  })
  test('says whom it is about, with the way there', () => {
    expect(whomOf('person/ann@d.example')).toMatchObject({ name: 'ann@d.example', section: { path: 'people' } })
    expect(whomOf('client/reports')).toMatchObject({ name: 'reports', section: { path: 'clients' } })
    expect(whomOf('tool/hr')).toEqual({ name: 'tool/hr', section: undefined })
    expect(whomOf('')).toBeUndefined()
  })
})

test('times go from the address into an input and back', () => {
  for (const time of ['2026-07-02T08:15:00Z', '2026-12-31T23:59:00Z']) expect(timeOf(localOf(time))).toBe(time)
  expect([localOf(''), localOf('soon'), timeOf(''), timeOf('soon')]).toEqual(['', '', '', ''])
})
