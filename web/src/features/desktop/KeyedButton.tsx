import { useRef, type ReactElement } from 'react'
import { Button, type ButtonProps } from '../../ui/Button'
import { useShortcut } from '../../ui/use-shortcut'
import styles from './Desktop.module.css'

export type KeyedButtonProps = { readonly keys: string; readonly text: string; readonly tone?: ButtonProps['tone']; readonly pressed?: boolean; /** What it is called where its text alone does not say it. */ readonly label?: string; readonly isOff?: boolean; readonly isBusy?: boolean; readonly onRun: () => void }

/** A button with its key. */
export function KeyedButton({ keys, text, tone = 'plain', pressed, label, isOff = false, isBusy = false, onRun }: KeyedButtonProps): ReactElement {
  const place = useRef<HTMLSpanElement>(null)
  useShortcut(keys, text, () => {
    // As if it was pressed: what opens gives the focus back to it.
    place.current?.querySelector('button')?.focus()
    if (!isOff) onRun()
  })
  return (
    <span ref={place} className={styles['keyed']}>
      <Button tone={tone} isOff={isOff} isBusy={isBusy} onClick={onRun} {...(pressed === undefined ? {} : { pressed })} {...(label === undefined ? {} : { label })}>
        {text}{' '}
        <kbd aria-hidden="true" className={styles['key']}>
          {keys}
        </kbd>
      </Button>
    </span>
  )
}
