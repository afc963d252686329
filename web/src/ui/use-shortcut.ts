import { createContext, useContext, useLayoutEffect, useRef } from 'react'
import { addShortcut } from '../lib/shortcuts'

/** The window above the page in which something is drawn. */
export const WindowContext = createContext<string | undefined>(undefined)

/** A shortcut for as long as what has it is shown, and nothing lies above it. It is there with what is shown, and not a moment later: who sees a key may press it. */
export function useShortcut(keys: string, says: string, run: () => void): void {
  const window = useContext(WindowContext)
  const latest = useRef(run)
  useLayoutEffect(() => {
    latest.current = run
  })
  useLayoutEffect(() => addShortcut({ keys, says, window, run: () => latest.current() }), [keys, says, window])
}
