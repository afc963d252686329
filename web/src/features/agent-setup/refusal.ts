import type { Failure } from '../../api/errors'
import { refreshAccount } from '../../live/account'

/** Asks again who has signed in where an answer says that nobody has: the frame then says so. */
export function noteRefusal(failure: Failure): void {
  if (failure.kind === 'refused-token') void refreshAccount('page')
}
