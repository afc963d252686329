import { useEffect, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { say } from '../../ui/toast'
import { BatchNews, ClearButton } from './BatchNews'
import type { BulkBarProps } from './BulkBar'
import { mayPropose } from './change-flow'
import { deletion } from './edits'
import { useUnderWay } from './leaving'
import { focusContent } from './neighbour'
import { useChange } from './use-change'
import { useReadAnew } from './use-read-anew'
import styles from './List.module.css'

/** Deletes all that are chosen, once it was shown which those are; refused where others refer to one of them. */
export function DeleteBar({ tenant, section, chosen, onClear, onRead, onForget }: BulkBarProps): ReactElement {
  const { flow, propose, confirm, cancel } = useChange(tenant)
  const leave = useUnderWay(flow.kind === 'applying')
  useReadAnew(tenant, section, flow, onRead, onForget)
  useEffect(() => {
    if (flow.kind !== 'done') return
    say(t('setup.chosen.deleted', { count: flow.proposal.edits.length }))
    cancel()
    onClear()
    focusContent()
  }, [flow, cancel, onClear])
  const begin = (): void => {
    // After a conflict they were read anew.
    if (mayPropose(flow) || flow.kind === 'conflict') propose(chosen.map((stored) => deletion(section.kind, stored)))
  }
  return (
    <section aria-label={t('setup.chosen.label')} className={styles['bulk']}>
      <strong role="status">{t('setup.chosen.count', { count: chosen.length })}</strong>
      <Button tone="danger" onClick={begin}>
        {t('setup.form.delete')}
      </Button>
      <ClearButton onClear={onClear} />
      <BatchNews
        tenant={tenant}
        flow={flow}
        nothing={t('setup.chosen.gone')}
        made={(count) => (count === 0 ? t('setup.chosen.noneDeleted') : t('setup.chosen.someDeleted', { count }))}
        onConfirm={confirm}
        onCancel={cancel}
      />
      {leave}
    </section>
  )
}
