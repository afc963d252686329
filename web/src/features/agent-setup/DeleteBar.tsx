import { useEffect, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { say } from '../../ui/toast'
import { BatchNews } from './BatchNews'
import type { BulkBarProps } from './BulkBar'
import { mayPropose } from './change-flow'
import { deletion } from './edits'
import { useChange } from './use-change'
import { useReadAnew } from './use-read-anew'
import styles from './List.module.css'

/** Deletes all that are chosen, once it was shown which those are; refused where others refer to one of them. */
export function DeleteBar({ tenant, section, chosen, onClear, onRead, onForget }: BulkBarProps): ReactElement {
  const { flow, propose, confirm, cancel } = useChange(tenant)
  useReadAnew(tenant, flow, onRead, onForget)
  useEffect(() => {
    if (flow.kind !== 'done') return
    say(t('setup.chosen.deleted', { count: flow.proposal.edits.length }))
    cancel()
    onClear()
    // The button that was pressed goes with the bar.
    requestAnimationFrame(() => document.getElementById('content')?.focus())
  }, [flow, cancel, onClear])
  const begin = (): void => {
    // After a conflict the one that has changed was read anew.
    if (mayPropose(flow) || flow.kind === 'conflict') propose(chosen.map((stored) => deletion(section.kind, stored)))
  }
  return (
    <section aria-label={t('setup.chosen.label')} className={styles['bulk']}>
      <strong role="status">{t('setup.chosen.count', { count: chosen.length })}</strong>
      <Button tone="danger" onClick={begin}>
        {t('setup.form.delete')}
      </Button>
      <Button onClick={onClear}>{t('setup.bulk.clear')}</Button>
      <BatchNews
        tenant={tenant}
        flow={flow}
        nothing={t('setup.chosen.gone')}
        made={(count) => (count === 0 ? t('setup.chosen.noneDeleted') : t('setup.chosen.someDeleted', { count }))}
        onConfirm={confirm}
        onCancel={cancel}
      />
    </section>
  )
}
