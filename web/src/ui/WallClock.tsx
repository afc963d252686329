import { useEffect, useState, type ReactElement } from 'react'

export type WallClockProps = { readonly text: (now: number) => string }

/** A text by the browser's own clock: it goes on while the server's is not heard. */
export function WallClock({ text }: WallClockProps): ReactElement {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  return <span>{text(now)}</span>
}
