import { useCallback, type ReactElement } from 'react'
import { clockDuration } from '../lib/durations'
import { Ticking } from './Ticking'

export type SinceProps = { readonly since: number; readonly className?: string | undefined }

/** How long something has been so, counting up. */
export function Since({ since, className }: SinceProps): ReactElement {
  const text = useCallback((now: number) => clockDuration(now - since), [since])
  return <Ticking text={text} className={className} />
}
