import { useState, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { keepLetters, lettersCount, shortcuts } from '../../lib/shortcuts'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import styles from './ShortcutSheet.module.css'

export type ShortcutSheetProps = { readonly onClose: () => void }

/** The keys that do something on the page that is shown. */
export function ShortcutSheet({ onClose }: ShortcutSheetProps): ReactElement {
  const [count, setCount] = useState(() => lettersCount(localStorage))
  const choose = (on: boolean): void => {
    keepLetters(on, localStorage)
    setCount(on)
  }
  return (
    <Dialog title={t('shortcuts.title')} onClose={onClose} actions={<Button onClick={onClose}>{t('close')}</Button>}>
      <dl className={styles['keys']}>
        {shortcuts()
          .filter(({ keys }) => keys !== '')
          .map(({ keys, says }) => (
            <div key={keys} className={styles['row']}>
              <dt>
                {keys.split(' ').map((key) => (
                  <kbd key={key} className={styles['key']}>
                    {key}
                  </kbd>
                ))}
              </dt>
              <dd>{says}</dd>
            </div>
          ))}
        <div className={styles['row']}>
          <dt>
            <kbd className={styles['key']}>Esc</kbd>
          </dt>
          <dd>{t('shortcuts.escape')}</dd>
        </div>
      </dl>
      <label className={styles['switch']}>
        <input type="checkbox" checked={count} onChange={(event) => choose(event.target.checked)} />
        {t('shortcuts.letters')}
      </label>
    </Dialog>
  )
}
