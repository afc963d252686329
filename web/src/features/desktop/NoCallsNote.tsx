import type { ReactElement } from 'react'
import type { Dn } from '../../api/workspace-shapes'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Glyph } from '../../ui/state-glyphs'
import type { Desk } from './desk'
import { presses, usePress } from './presses'
import styles from './Desktop.module.css'

/** What keeps calls from the phone whatever the agent's state is, and what ends it: it may have been set at the phone itself. */
export function NoCallsNote({ desk, dn }: { readonly desk: Desk; readonly dn: Dn }): ReactElement | null {
  const press = usePress()
  const of = (what: 'dnd-off' | 'cancel-forward', text: string, end: string): ReactElement => (
    <div className={`${styles['note']} ${styles['warning']}`} data-no-calls={what}>
      <Glyph name="warning" className={styles['sign']} />
      <p role="status">{text}</p>
      <Button {...press(what)} onClick={() => presses.press(what, desk, () => desk.ask(what))}>
        {end}
      </Button>
    </div>
  )
  return (
    <>
      {dn.isUndisturbed ? of('dnd-off', t('work.undisturbed'), t('work.undisturbed.end')) : null}
      {dn.forwardTo === '' ? null : of('cancel-forward', t('work.forward', { number: dn.forwardTo }), t('work.forward.end'))}
    </>
  )
}
