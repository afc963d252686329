import { useEffect, useId, useRef, useState, type KeyboardEvent, type MouseEvent, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { digitBeside, newDigitQueue } from './digit-queue'
import { useFocusWhileOpen } from './focus-back'
import styles from './Keypad.module.css'

export type KeypadProps = { readonly onDigits: (digits: string) => Promise<unknown>; readonly onClose: () => void }

const DIGITS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#']

/** Keys for menus at the other side: pressed here, or typed. */
export function Keypad({ onDigits, onClose }: KeypadProps): ReactElement {
  const [sent, setSent] = useState('')
  const group = useRef<HTMLDivElement>(null)
  const id = useId()
  useFocusWhileOpen(group, 'input')
  const latest = useRef(onDigits)
  useEffect(() => {
    latest.current = onDigits
  })
  const [queue] = useState(() => newDigitQueue((digits) => latest.current(digits)))
  const send = (digits: string): void => {
    if (digits === '') return
    setSent((before) => before + digits)
    void queue(digits)
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') return onClose()
    const digit = digitBeside(event, event.target instanceof HTMLInputElement)
    if (digit === '') return
    // It would show another call.
    event.preventDefault()
    send(digit)
  }
  // Who presses with the mouse and goes on by typing types into the field.
  const onMouseDown = (event: MouseEvent): void => {
    event.preventDefault()
    if (group.current?.contains(document.activeElement) !== true) group.current?.querySelector('input')?.focus()
  }
  return (
    <div ref={group} role="group" aria-label={t('desk.keypad')} className={styles['keypad']} onKeyDown={onKeyDown}>
      <Field id={id} label={t('desk.keypad.type')}>
        {(attributes) => (
          <input
            {...attributes}
            type="tel"
            autoComplete="off"
            value={sent}
            // What was sent cannot be taken back: what is added to it counts.
            onChange={({ target: { value } }) => (value.startsWith(sent) ? send(value.slice(sent.length).replace(/[^0-9*#A-Da-d]/g, '')) : undefined)}
          />
        )}
      </Field>
      <div className={styles['digits']} onMouseDown={onMouseDown}>
        {DIGITS.map((digit) => (
          <Button key={digit} label={t('desk.keypad.digit', { digit })} onClick={() => send(digit)}>
            {digit}
          </Button>
        ))}
      </div>
      <div>
        <Button onClick={onClose}>{t('desk.keypad.hide')}</Button>
      </div>
    </div>
  )
}
