/** Who may make what: no folder gives a right to what concerns the tenant as a whole. */

import { accountNow } from '../../live/account'

const OF_TENANT = /^(client|access_group|role|trunk|dial_rule|number|feature_code|switch|api_key)$/

/** Whether one of a kind may be made by who has signed in; what is offered otherwise the server refuses at the end. */
export function mayMake(kind: string, now = accountNow()): boolean {
  return !OF_TENANT.test(kind) || !('account' in now) || now.account.privileges.includes('administrator')
}
