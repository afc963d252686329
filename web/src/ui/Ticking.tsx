import { useLayoutEffect, useRef, type ReactElement } from 'react'
import { follow, now } from '../lib/ticker'

export type TickingProps = {
  /** The text at a moment of the server's clock; a stable function. */
  readonly text: (now: number) => string
  readonly className?: string | undefined
}

/** A text that changes with time, each second, without rendering. */
export function Ticking({ text, className }: TickingProps): ReactElement {
  const element = useRef<HTMLSpanElement>(null)
  useLayoutEffect(() => (element.current === null ? undefined : follow(element.current, text)), [text])
  // What changes each second is not for a screen reader to follow.
  return (
    <span ref={element} className={className} suppressHydrationWarning>
      {text(now())}
    </span>
  )
}
