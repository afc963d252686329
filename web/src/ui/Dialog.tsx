import { useEffect, useId, useLayoutEffect, useRef, type ReactElement, type ReactNode } from 'react'
import { addWindow } from '../lib/shortcuts'
import { WindowContext } from './use-shortcut'
import styles from './Dialog.module.css'

export type DialogProps = {
  readonly title: string
  readonly onClose: () => void
  readonly children: ReactNode
  /** Stands below what scrolls. */
  readonly actions?: ReactNode
}

/** A window above the page: the browser keeps the focus in it, and gives it back. */
export function Dialog({ title, onClose, children, actions }: DialogProps): ReactElement {
  const dialog = useRef<HTMLDialogElement>(null)
  const heading = useId()
  // After what gives the focus back to a form as this opens: it returns to where it is then.
  useEffect(() => dialog.current?.showModal(), [])
  // While it is still in the page: the browser gives the focus back from nothing that is removed.
  useLayoutEffect(() => {
    const opened = dialog.current
    return () => opened?.close()
  }, [])
  useEffect(() => addWindow(heading), [heading])
  return (
    <dialog
      ref={dialog}
      className={styles['dialog']}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      onClose={() => {
        // A second Escape closes it whatever we say; what may not be closed now is opened again.
        if (dialog.current === null || dialog.current.open) return
        onClose()
        requestAnimationFrame(() => {
          if (dialog.current?.open === false) dialog.current.showModal()
        })
      }}
    >
      <h2 id={heading} className={styles['title']} tabIndex={-1} autoFocus>
        {title}
      </h2>
      <div className={styles['body']}>
        <WindowContext value={heading}>{children}</WindowContext>
      </div>
      {actions === undefined ? null : <div className={styles['actions']}>{actions}</div>}
    </dialog>
  )
}
