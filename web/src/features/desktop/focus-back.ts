import { useEffect, useRef, type RefObject } from 'react'
import { takesLetters } from '../../lib/shortcuts'

/** Gives the focus to the first of these elements as this opens, and back to where it was once it is closed, unless it has gone elsewhere. */
export function useFocusWhileOpen(group: RefObject<HTMLElement | null>, first: 'input' | 'button'): void {
  useEffect(() => {
    const before = document.activeElement
    group.current?.querySelector<HTMLElement>(first)?.focus()
    return () => {
      requestAnimationFrame(() => {
        if (document.activeElement === document.body && before instanceof HTMLElement && before.isConnected) before.focus()
      })
    }
  }, [group, first])
}

/** A button that goes when something changes takes the focus with it: it then stands at another element. */
export function useKeptFocus(panel: RefObject<HTMLElement | null>, instead: () => HTMLElement | null, changes: string): void {
  const isIn = useRef(false)
  useEffect(() => {
    const onFocus = ({ target }: FocusEvent): void => {
      isIn.current = target instanceof Node && panel.current?.contains(target) === true
    }
    document.addEventListener('focusin', onFocus)
    return () => document.removeEventListener('focusin', onFocus)
  }, [panel])
  const latest = useRef(instead)
  useEffect(() => {
    latest.current = instead
  })
  useEffect(() => {
    if (isIn.current && document.activeElement === document.body) latest.current()?.focus()
  }, [changes])
}

/** Scrolls to the buttons of a panel while it is wanted, unless somebody writes elsewhere: a call rings not for long. What is shown later above them moves them out of sight again, so they are
 *  kept there until somebody scrolls. */
export function useInSight(panel: RefObject<HTMLElement | null>, isWanted: boolean): void {
  useEffect(() => {
    if (!isWanted) return undefined
    const show = (): void => {
      const { activeElement } = document
      if (!(activeElement instanceof HTMLElement && takesLetters(activeElement))) panel.current?.querySelector('[role="group"]')?.scrollIntoView({ block: 'nearest' })
    }
    show()
    const moved = new ResizeObserver(show)
    moved.observe(document.body)
    const leave = (): void => moved.disconnect()
    const scrolls = ['wheel', 'touchmove', 'keydown'] as const
    for (const scroll of scrolls) addEventListener(scroll, leave, { passive: true })
    return () => {
      leave()
      for (const scroll of scrolls) removeEventListener(scroll, leave)
    }
  }, [panel, isWanted])
}
