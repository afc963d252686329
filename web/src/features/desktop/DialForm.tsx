import { useEffect, useRef, useState, type FormEvent, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { useShortcut } from '../../ui/use-shortcut'
import { takeDialLink } from './click-to-dial'
import type { Desk } from './desk'
import { DestinationInput } from './DestinationInput'
import { useDestination } from './use-destination'
import styles from './Desktop.module.css'

/** Calls a number, or somebody by name. A number that a link has brought is filled in: nothing is called without a press. */
export function DialForm({ desk }: { readonly desk: Desk }): ReactElement {
  const destination = useDestination()
  const [isFromLink, setFromLink] = useState(false)
  const [isAsking, setAsking] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  useShortcut('d', t('desk.dial'), () => input.current?.focus())
  const type = useRef(destination.type)
  useEffect(() => {
    const number = takeDialLink()
    if (number === undefined) return
    type.current(number)
    setFromLink(true)
    input.current?.focus()
  }, [])
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    const number = destination.number()
    if (number === '' || isAsking) return
    setAsking(true)
    const isTaken = await desk.ask('make-call', '', { destination: number })
    setAsking(false)
    // What was typed stays until it is taken. From then on keys are meant for the call.
    if (isTaken) {
      destination.type('')
      setFromLink(false)
      input.current?.blur()
    }
  }
  return (
    <section aria-label={t('desk.dial')} className={styles['panel']}>
      <form className={styles['line']} onSubmit={(event) => void submit(event)} onKeyDown={(event) => (event.key === 'Escape' ? destination.type('') : undefined)}>
        <DestinationInput label={t('work.dial')} destination={destination} configuration={desk.state().configuration} input={input} {...(isFromLink && destination.typed !== '' ? { hint: t('work.dial.link') } : {})} />
        <Button type="submit" isOff={isAsking} isBusy={isAsking}>
          {t('desk.dial.go')}
        </Button>
      </form>
    </section>
  )
}
