import { useId, useRef, useState, type FormEvent, type ReactElement } from 'react'
import type { Call, Configuration } from '../../api/workspace-shapes'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import type { Desk } from './desk'
import { useFocusWhileOpen } from './focus-back'
import { notePark, parkCodeOf, slotOf } from './parked'
import { whoOf } from './words'
import styles from './Desktop.module.css'

export type ParkFormProps = { readonly desk: Desk; readonly call: Call; readonly configuration: Configuration | undefined; readonly onClose: () => void }

/** Where a call waits until somebody dials the slot: the own number, unless another one is typed. */
export function ParkForm({ desk, call, configuration, onClose }: ParkFormProps): ReactElement {
  const [typed, setTyped] = useState(() => slotOf(desk.state().dn?.number ?? ''))
  const form = useRef<HTMLFormElement>(null)
  const id = useId()
  useFocusWhileOpen(form, 'input')
  const dial = `${parkCodeOf(configuration)}${slotOf(typed)}`
  const park = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    if (slotOf(typed) === '' || !(await desk.ask('single-step-transfer', call.id, { destination: dial }))) return
    notePark({ call: call.id, who: whoOf(call), dial, at: Date.now() })
    onClose()
  }
  return (
    <form ref={form} className={styles['form']} onSubmit={(event) => void park(event)} onKeyDown={(event) => (event.key === 'Escape' ? onClose() : undefined)}>
      <Field id={id} label={t('work.park.slot')} hint={t('work.park.hint', { dial })}>
        {(attributes) => <input {...attributes} inputMode="numeric" autoComplete="off" value={typed} onChange={(event) => setTyped(event.target.value)} />}
      </Field>
      <p className={styles['buttons']}>
        <Button type="submit" tone="main">
          {t('work.park')}
        </Button>
        <Button onClick={onClose}>{t('desk.form.cancel')}</Button>
      </p>
    </form>
  )
}
