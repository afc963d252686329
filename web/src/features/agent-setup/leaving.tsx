import { useBlocker } from '@tanstack/react-router'
import { useCallback, useEffect, useRef, useState, type ReactElement } from 'react'
import { t, type PlainText } from '../../lib/i18n'
import { tellUnsaved } from '../../lib/unsaved'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'

/** How it is asked. */
export type LeaveWords = { readonly title: PlainText; readonly what: PlainText; readonly go: PlainText }

const TYPED: LeaveWords = { title: 'setup.leave.title', what: 'setup.leave.what', go: 'setup.leave.go' }

/** Whoever leaves what they have typed is asked first. */
export function useLeaving(words = TYPED): { readonly onDirty: (isDirty: boolean) => void; readonly leave: ReactElement | null } {
  const isDirty = useRef(false)
  const [, redraw] = useState(0)
  const onDirty = useCallback((is: boolean) => {
    isDirty.current = is
    tellUnsaved(is)
    redraw((count) => count + 1)
  }, [])
  useEffect(() => () => tellUnsaved(false), [])
  const blocker = useBlocker({ shouldBlockFn: () => isDirty.current, enableBeforeUnload: () => isDirty.current, withResolver: true })
  if (blocker.status !== 'blocked') return { onDirty, leave: null }
  return {
    onDirty,
    leave: (
      <Dialog
        title={t(words.title)}
        onClose={blocker.reset}
        actions={
          <>
            <Button tone="main" onClick={blocker.reset}>
              {t('setup.leave.stay')}
            </Button>
            <Button tone="danger" onClick={blocker.proceed}>
              {t(words.go)}
            </Button>
          </>
        }
      >
        <p>{t(words.what)}</p>
      </Dialog>
    ),
  }
}

const UNDER_WAY: LeaveWords = { title: 'setup.underWay.title', what: 'setup.underWay.what', go: 'setup.underWay.go' }

/** Whoever leaves while something is being saved is asked first, also by the browser. */
export function useUnderWay(isUnderWay: boolean): ReactElement | null {
  const { onDirty, leave } = useLeaving(UNDER_WAY)
  useEffect(() => onDirty(isUnderWay), [isUnderWay, onDirty])
  return leave
}
