/** What a press on somebody does: during a call they are asked about it, else they are called. */

import { t } from '../../lib/i18n'
import type { DeskProps } from './Desktop'

export type Reach = { readonly text: string; readonly run: (number: string) => void }

export function reachOf({ desk, state }: DeskProps): Reach {
  const call = state.calls.find(({ id }) => id === state.selected)
  if (call?.capabilities.includes('initiate-transfer') === true) return { text: t('desk.op.initiate-transfer'), run: (destination) => void desk.ask('initiate-transfer', call.id, { destination }) }
  return { text: t('desk.dial.go'), run: (destination) => void desk.ask('make-call', '', { destination }) }
}
