import { useCallback, type ReactElement } from 'react'
import { clockDuration, shortDuration } from '../lib/durations'
import { Ticking } from './Ticking'

export type SinceProps = { readonly since: number; readonly className?: string | undefined; readonly form?: 'long' | 'short' }

/** How long something has been so, counting up. */
export function Since({ since, className, form = 'long' }: SinceProps): ReactElement {
  const text = useCallback((now: number) => (form === 'long' ? clockDuration : shortDuration)(now - since), [since, form])
  return <Ticking text={text} className={className} />
}
