import { useWindowVirtualizer } from '@tanstack/react-virtual'
import { useLayoutEffect, useRef, useState, type ReactElement, type RefObject } from 'react'
import { AgentTile } from './AgentTile'
import { columnsOf, GAP, heightOf } from './density'
import type { Agent } from './model'
import { isSinceKnown } from './rules'
import styles from './AgentGrid.module.css'

export type AgentListProps = {
  readonly agents: readonly Agent[]
  /** Since when the numbers count. */
  readonly countsSince: number
}

/** All agents on a page that scrolls. Only the rows near what is seen are in the document, however many agents there are. */
export function AgentList({ agents, countsSince }: AgentListProps): ReactElement {
  const list = useRef<HTMLUListElement>(null)
  const { width, top } = usePlace(list)
  const columns = columnsOf(width)
  const rows = useWindowVirtualizer({
    count: Math.ceil(agents.length / columns),
    estimateSize: () => heightOf('row') + GAP,
    overscan: 8,
    scrollMargin: top,
  })
  const near = rows.getVirtualItems()
  const first = near[0]?.index ?? 0
  const last = near.at(-1)?.index ?? -1
  const shown = agents.slice(first * columns, (last + 1) * columns)
  const before = (near[0]?.start ?? top) - top
  const height = rows.getTotalSize()
  return (
    <ul
      className={styles['grid']}
      ref={list}
      style={{ boxSizing: 'border-box', height, paddingTop: before, gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))`, gridAutoRows: `${heightOf('row')}px`, gap: `${GAP}px` }}
      data-density="row"
    >
      {shown.map((agent, index) => (
        <AgentTile key={agent.id} agent={agent} density="row" isSinceKnown={isSinceKnown(agent, countsSince)} place={first * columns + index + 1} of={agents.length} />
      ))}
    </ul>
  )
}

type Place = { readonly width: number; readonly top: number }

/** How wide the list is, and how far below the page's top it begins. */
function usePlace(list: RefObject<HTMLUListElement | null>): Place {
  const [place, setPlace] = useState<Place>({ width: 0, top: 0 })
  useLayoutEffect(() => {
    const measured = list.current
    if (measured === null) return undefined
    const measure = (): void => {
      const { width, top } = measured.getBoundingClientRect()
      setPlace((before) => (before.width === width && before.top === top + scrollY ? before : { width, top: top + scrollY }))
    }
    const observer = new ResizeObserver(measure)
    observer.observe(measured)
    // What stands above the list moves it.
    observer.observe(document.body)
    measure()
    return () => observer.disconnect()
  }, [list])
  return place
}
