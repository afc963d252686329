import { expect, test } from 'vitest'
import { signInPage } from './sign-ins'

const entry = { at: '1970-01-01T00:00:01Z', event: 'signed_in', way: 'password', subject: 'person/ann', by: '', client: '', session: '', source: '192.0.2.1', user_agent: '', times: 1 }

test('a page of sign-ins is taken as the document says, with times as numbers', () => {
  expect(signInPage({ items: [entry], next_page_token: '7.1' })).toMatchObject({ items: [{ at: 1_000, subject: 'person/ann' }], next: '7.1' })
  expect(signInPage({ items: [{ ...entry, at: 'soon' }], next_page_token: '' })).toBeUndefined()
  expect(signInPage({ items: [{ ...entry, times: 'often' }], next_page_token: '' })).toBeUndefined()
})
