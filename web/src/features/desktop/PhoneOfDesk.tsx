import type { ReactElement } from 'react'
import type { DeskProps } from './Desktop'
import { PhoneSlot } from './PhoneSlot'
import { usePhoneOfDesk } from './use-softphone'

/** Makes the page the phone of the desk's DN, and shows it where no work is shown: a call goes on when its session is over. */
export function PhoneOfDesk({ desk, state }: DeskProps): ReactElement | null {
  usePhoneOfDesk(desk, state)
  return state.phase.kind === 'working' ? null : <PhoneSlot state={state} />
}
