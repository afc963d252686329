import { useEffect, useRef } from 'react'
import { addShortcut } from '../lib/shortcuts'

/** A shortcut for as long as what has it is shown. */
export function useShortcut(keys: string, says: string, run: () => void): void {
  const latest = useRef(run)
  useEffect(() => {
    latest.current = run
  })
  useEffect(() => addShortcut({ keys, says, run: () => latest.current() }), [keys, says])
}
