import { useRef, useState, type FormEvent, type ReactElement } from 'react'
import type { Configuration } from '../../api/workspace-shapes'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { DestinationInput } from './DestinationInput'
import { useFocusWhileOpen } from './focus-back'
import { useDestination } from './use-destination'
import styles from './Desktop.module.css'

export type DestinationFormProps = {
  readonly submit: string
  readonly hint: string
  readonly configuration: Configuration | undefined
  readonly onGo: (number: string) => Promise<boolean>
  readonly onClose: () => void
}

/** Where a call goes, or whom to ask: a name or a number, and Enter. */
export function DestinationForm({ submit, hint, configuration, onGo, onClose }: DestinationFormProps): ReactElement {
  const destination = useDestination()
  const [isAsking, setAsking] = useState(false)
  const form = useRef<HTMLFormElement>(null)
  useFocusWhileOpen(form, 'input')
  const go = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    const number = destination.number()
    if (number === '' || isAsking) return
    setAsking(true)
    const isTaken = await onGo(number)
    setAsking(false)
    if (isTaken) onClose()
  }
  return (
    <form ref={form} className={styles['form']} onSubmit={(event) => void go(event)} onKeyDown={(event) => (event.key === 'Escape' ? onClose() : undefined)}>
      <DestinationInput label={t('work.to')} hint={hint} destination={destination} configuration={configuration} />
      <p className={styles['buttons']}>
        <Button type="submit" tone="main" isOff={isAsking} isBusy={isAsking}>
          {submit}
        </Button>
        <Button onClick={onClose}>{t('desk.form.cancel')}</Button>
      </p>
    </form>
  )
}
