/** Who may make and change what: designers and integrators only read, and no folder gives a right to what concerns the tenant as a whole. */

import { accountNow } from '../../live/account'

const CHANGE: readonly string[] = ['administrator', 'folder_administrator']
const OF_TENANT = /^(client|access_group|role|trunk|trunk_group|dial_rule|number|feature_code|switch|api_key)$/

/** Whether who has signed in may change anything at all; what is offered otherwise the server refuses at the end. */
export function mayChange(now = accountNow()): boolean {
  return !('account' in now) || now.account.privileges.some((one) => CHANGE.includes(one))
}

/** Whether one of a kind may be made by who has signed in. */
export function mayMake(kind: string, now = accountNow()): boolean {
  return mayChange(now) && (!OF_TENANT.test(kind) || !('account' in now) || now.account.privileges.includes('administrator'))
}
