import { useState, type ReactElement } from 'react'
import type { Call, Configuration } from '../../api/workspace-shapes'
import { assertNever } from '../../lib/assert-never'
import { t } from '../../lib/i18n'
import { actionsOf, type CallAction } from './call-actions'
import { DestinationForm } from './DestinationForm'
import { DropForm } from './DropForm'
import type { Desk } from './desk'
import { KeyedButton } from './KeyedButton'
import { Keypad } from './Keypad'
import { parkCodeOf } from './parked'
import { ParkForm } from './ParkForm'
import { presses, usePress } from './presses'
import { completeSaved } from './use-drafts'
import styles from './Desktop.module.css'

export type CallActionsProps = { readonly desk: Desk; readonly call: Call; readonly calls: readonly Call[]; readonly configuration: Configuration | undefined }

/** Buttons for what can be done with a call now; some ask for a number first. */
export function CallActions({ desk, call, calls, configuration }: CallActionsProps): ReactElement {
  const [open, setOpen] = useState('')
  const press = usePress()
  const actions = actionsOf(call, calls, parkCodeOf(configuration))
  const shown = actions.find((action) => nameOf(action) === open)
  const run = (action: CallAction): void => {
    if (action.kind === 'do') return presses.press(slotOf(call, action), desk, () => (action.operation === 'complete' ? completeSaved(desk, call) : desk.ask(action.operation, call.id, action.data)))
    setOpen(open === nameOf(action) ? '' : nameOf(action))
  }
  const isFirst = (index: number): boolean => actions.findIndex(({ keys }) => keys === actions[index]?.keys) === index
  const close = (): void => setOpen('')
  return (
    <>
      <div role="group" aria-label={t('desk.actions')} className={styles['buttons']}>
        {actions.map((action, index) => (
          <KeyedButton
            // One that takes the place of another one, as hold and back, keeps the focus.
            key={isFirst(index) ? action.keys : nameOf(action)}
            keys={isFirst(index) ? action.keys : ''}
            text={textOf(action)}
            tone={action.kind === 'do' ? action.tone : 'plain'}
            {...(action.kind === 'do' ? press(slotOf(call, action)) : { pressed: open === nameOf(action) })}
            onRun={() => run(action)}
          />
        ))}
      </div>
      {shown === undefined ? null : <Opened action={shown} desk={desk} call={call} configuration={configuration} onClose={close} />}
    </>
  )
}

/** Hold and what takes it back share their key and their place. */
export function slotOf({ id }: Pick<Call, 'id'>, { keys }: Pick<CallAction, 'keys'>): string {
  return `${id} ${keys}`
}

function nameOf(action: CallAction): string {
  return 'operation' in action ? action.operation : action.kind
}

function textOf(action: CallAction): string {
  if ('operation' in action) return t(`desk.op.${action.operation}`)
  if (action.kind === 'drop') return t('work.drop')
  return action.kind === 'park' ? t('work.park') : t('desk.keypad')
}

type OpenedProps = { readonly action: CallAction; readonly desk: Desk; readonly call: Call; readonly configuration: Configuration | undefined; readonly onClose: () => void }

function Opened({ action, desk, call, configuration, onClose }: OpenedProps): ReactElement | null {
  switch (action.kind) {
    case 'do':
      return null
    case 'keypad':
      return <Keypad onDigits={(dtmfDigits) => desk.ask('send-dtmf', call.id, { dtmfDigits })} onClose={onClose} />
    case 'ask':
      return <DestinationForm key={action.operation} submit={t(`desk.op.${action.operation}`)} hint={t(`desk.form.${action.hint}`)} configuration={configuration} onGo={(destination) => desk.ask(action.operation, call.id, { destination })} onClose={onClose} />
    case 'drop':
      return <DropForm numbers={action.numbers} onDrop={(dnToDrop) => desk.ask('delete-from-conference', call.id, { dnToDrop })} onClose={onClose} />
    case 'park':
      return <ParkForm desk={desk} call={call} configuration={configuration} onClose={onClose} />
    default:
      return assertNever(action)
  }
}
