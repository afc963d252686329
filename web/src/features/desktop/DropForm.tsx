import { useRef, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { useFocusWhileOpen } from './focus-back'
import styles from './Desktop.module.css'

export type DropFormProps = { readonly numbers: readonly string[]; readonly onDrop: (number: string) => Promise<boolean>; readonly onClose: () => void }

/** Who is to leave the conference, one press each; the others go on. */
export function DropForm({ numbers, onDrop, onClose }: DropFormProps): ReactElement {
  const group = useRef<HTMLDivElement>(null)
  useFocusWhileOpen(group, 'button')
  const drop = async (number: string): Promise<void> => {
    if (await onDrop(number)) onClose()
  }
  return (
    <div ref={group} role="group" aria-label={t('work.drop.whom')} className={styles['form']} onKeyDown={(event) => (event.key === 'Escape' ? onClose() : undefined)}>
      <p>{t('work.drop.what')}</p>
      <p className={styles['buttons']}>
        {numbers.map((number) => (
          <Button key={number} tone="danger" onClick={() => void drop(number)}>
            {t('work.drop.one', { number })}
          </Button>
        ))}
        <Button onClick={onClose}>{t('desk.form.cancel')}</Button>
      </p>
    </div>
  )
}
