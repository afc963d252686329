import { expect, test } from 'vitest'
import { ourAddress } from './published-address'

test('the address that GWS has for Agent Setup becomes ours, and no other one does', () => {
  expect(['/ui/provisioning', '/ui/provisioning/', '/ui/provisioning/people/ann'].map(ourAddress)).toEqual(['/agent-setup', '/agent-setup/', '/agent-setup/people/ann'])
  expect(['/', '/ui', '/ui/provisionings', '/agent-setup/ui/provisioning'].map(ourAddress)).toEqual([undefined, undefined, undefined, undefined])
})
