import { useEffect, useState, type ReactElement } from 'react'
import type { Call } from '../../api/workspace-shapes'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { say } from '../../ui/toast'
import { queueOf, whoOf } from './words'

/** Neither everywhere, nor in a page that came without encryption. */
const canNotify = (): boolean => typeof Notification !== 'undefined' && window.isSecureContext

/** Whether the agent looks elsewhere: at another tab, or another program. */
const looksElsewhere = (): boolean => document.visibilityState === 'hidden' || !document.hasFocus()

/** Lets the system say that a call rings, while the agent looks elsewhere. */
export function useCallNotice(ringing: Call | undefined): void {
  const [id, title, body] = ringing === undefined ? ['', '', ''] : [ringing.id, t('desk.ringingTitle', { who: whoOf(ringing) }), queueOf(ringing)]
  useEffect(() => {
    if (id === '' || !canNotify() || Notification.permission !== 'granted' || !looksElsewhere()) return undefined
    const notice = noticeOf(title, body, id)
    return () => notice?.close()
  }, [id, title, body])
}

function noticeOf(title: string, body: string, id: string): Notification | undefined {
  try {
    // Two tabs say it once.
    const notice = new Notification(title, { body, tag: `trunkline-call-${id}` })
    notice.onclick = () => {
      window.focus()
      notice.close()
    }
    return notice
  } catch {
    // Browsers of phones let service workers alone do it.
    return undefined
  }
}

/** Asks for it, once: browsers ask only after a press. */
export function AskForNotices(): ReactElement | null {
  const [permission, setPermission] = useState(() => (canNotify() ? Notification.permission : 'denied'))
  if (permission !== 'default') return null
  const ask = async (): Promise<void> => {
    const answer = await Notification.requestPermission()
    setPermission(answer)
    if (answer !== 'granted') say(t('work.notify.denied'), 'bad')
  }
  return (
    <div>
      <Button onClick={() => void ask()}>{t('work.notify')}</Button>
    </div>
  )
}
