import { expect, test } from 'vitest'
import { ourAddress } from './published-address'

test('the addresses that GWS has become ours, and no other ones do', () => {
  expect(['/ui/provisioning', '/ui/provisioning/', '/ui/provisioning/people/ann'].map(ourAddress)).toEqual(['/agent-setup', '/agent-setup/', '/agent-setup/people/ann'])
  expect(['/ui/wwe', '/ui/wwe/'].map(ourAddress)).toEqual(['/desktop', '/desktop/'])
  expect(['/', '/ui', '/ui/provisionings', '/agent-setup/ui/provisioning'].map(ourAddress)).toEqual([undefined, undefined, undefined, undefined])
})
