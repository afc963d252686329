import { useLayoutEffect, useRef, useState, type RefObject } from 'react'
import { fit, type Fit } from './density'

/** On a wall everybody must fit; on any other screen the page scrolls. */
export type Room = { readonly kind: 'page' } | { readonly kind: 'wall'; readonly fit: Fit; readonly unit: number }

/** A screen that is filled without scrolling; the same as in the style sheets. */
const WALL = '(min-width: 1100px) and (min-height: 600px)'
/** Room for the line about those who are not shown. */
const NOTE_HEIGHT = 26

type Size = { readonly width: number; readonly height: number; readonly unit: number }

/** How the tiles of so many agents fill the element. */
export function useRoom(all: number, loggedIn: number): readonly [RefObject<HTMLDivElement | null>, Room] {
  const element = useRef<HTMLDivElement>(null)
  const [size, setSize] = useState<Size>()
  useLayoutEffect(() => {
    const measured = element.current
    if (measured === null) return undefined
    const measure = (): void => setSize(matchMedia(WALL).matches ? sizeOf(measured) : undefined)
    const observer = new ResizeObserver(measure)
    observer.observe(measured)
    measure()
    return () => observer.disconnect()
  }, [])
  if (size === undefined) return [element, { kind: 'page' }]
  return [element, { kind: 'wall', fit: fitInto(size, all, loggedIn), unit: size.unit }]
}

function sizeOf(element: HTMLElement): Size {
  const unit = Math.min(3, Math.max(0.8, Math.min(innerWidth / 1920, innerHeight / 1080)))
  return { width: element.clientWidth / unit, height: element.clientHeight / unit, unit }
}

function fitInto({ width, height }: Size, all: number, loggedIn: number): Fit {
  const whole = fit(width, height, all, loggedIn)
  const isWhole = whole.shown === 'all' && whole.columns * whole.rows >= all
  return isWhole ? whole : fit(width, height - NOTE_HEIGHT, all, loggedIn)
}
