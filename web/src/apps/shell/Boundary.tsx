import { Component, type ReactNode } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Notice } from '../../ui/Notice'
import { PageTitle } from '../../ui/PageTitle'

export type BoundaryProps = { readonly children: ReactNode }
type BoundaryState = { readonly failed: boolean }

/** One page's own error does not take the frame with it. */
export class Boundary extends Component<BoundaryProps, BoundaryState> {
  override state: BoundaryState = { failed: false }
  static getDerivedStateFromError(): BoundaryState {
    return { failed: true }
  }
  override render(): ReactNode {
    if (!this.state.failed) return this.props.children
    return (
      <>
        <PageTitle title={t('pageFailedTitle')} />
        <Notice tone="bad" title={t('pageFailed')}>
          <Button onClick={() => location.reload()}>{t('reload')}</Button>
        </Notice>
      </>
    )
  }
}
