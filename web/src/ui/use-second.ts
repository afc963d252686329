import { useEffect, useState } from 'react'
import { now } from '../lib/ticker'

/** The moment, each second; for rules that depend on how long something lasts. */
export function useSecond(): number {
  const [at, setAt] = useState(now)
  useEffect(() => {
    const timer = setInterval(() => setAt(now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  return at
}
