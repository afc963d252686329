import { expect, test } from 'vitest'
import { libraryOf, orgAround } from './org'

const [ACME, OTHER] = ['https://acme.lightning.force.com', 'https://other.lightning.force.com']
const framed = (orgs: readonly string[], ancestor: string | undefined, referrer = ''): string | undefined => orgAround(orgs, { isFramed: true, ancestor, referrer })

test('the org is the one of the list that is around', () => {
  expect(framed([ACME, OTHER], OTHER)).toBe(OTHER)
  expect(framed([ACME, OTHER], undefined, `${ACME}/lightning/page/home`)).toBe(ACME)
  expect(libraryOf(ACME, '62.0')).toBe('https://acme.lightning.force.com/support/api/62.0/lightning/opencti_min.js')
})
test('whom the list does not have is none, whatever the address says', () => {
  expect(framed([ACME], 'https://evil.example')).toBeUndefined()
  expect(framed([ACME, OTHER], undefined, 'https://evil.example/')).toBeUndefined()
  expect(framed([], ACME)).toBeUndefined()
  expect(orgAround([ACME], { isFramed: false, ancestor: undefined, referrer: `${ACME}/` })).toBeUndefined()
})
test('where a browser says nothing, one that is alone in the list is meant: no other may frame the page', () => {
  expect(framed([ACME], undefined)).toBe(ACME)
  expect(framed([ACME, OTHER], undefined)).toBeUndefined()
})
