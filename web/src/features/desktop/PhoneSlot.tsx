import { lazy, Suspense, type ReactElement } from 'react'
import { addTexts, t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { callsAlone } from './desk-phone'
import type { DeskState } from './desk-state'
import { softphone } from './softphone'
import { useSoftphone } from './use-softphone'
import styles from './Desktop.module.css'

/** Loaded only where the page is a phone. */
const Panel = lazy(async () => {
  try {
    const [{ SoftphonePanel }] = await Promise.all([import('./softphone/SoftphonePanel'), addTexts('softphone')])
    return { default: SoftphonePanel }
  } catch {
    // The desktop works on: calls come to the desk, and the phone answers them, without its panel.
    return { default: Missing }
  }
})

/** The page's phone, where it is one, also while nobody is at work here: a call goes on when the session is over. */
export function PhoneSlot({ state }: { readonly state: DeskState }): ReactElement | null {
  const phone = useSoftphone()
  if (phone.phase.kind === 'off') return null
  // What is missing may be the panel itself.
  if (phone.phase.kind === 'failed' && phone.phase.why === 'missing') return <Missing />
  return (
    <Suspense fallback={null}>
      <Panel phone={phone} alone={callsAlone(phone.calls, state)} />
    </Suspense>
  )
}

function Missing(): ReactElement {
  return (
    <section aria-label={t('desk.phone')} className={styles['panel']} data-phone="failed">
      <p role="alert">{t('desk.phone.missing')}</p>
      <div>
        <Button onClick={softphone.retry}>{t('desk.retry')}</Button>
      </div>
    </section>
  )
}
