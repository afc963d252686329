import { useMemo, useRef, useState, type KeyboardEvent, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { isArrow, neighbour } from './keyboard'
import { GROUPS, LANES, partiesFor, SIZE, type Party } from './layout'
import { LineOf } from './LineOf'
import { PartyBox } from './PartyBox'
import { linesFor } from './routes'
import { partyState, touches, type ConnectionState, type Rates, type Selection, type Topology } from './model'
import styles from './Drawing.module.css'

export type DrawingProps = {
  readonly document: Topology
  readonly rates: Rates
  readonly state: ConnectionState | 'all'
  readonly selection: Selection
  readonly onSelect: (selection: Selection) => void
}

/** The parts with their connections. Tab leads in, arrows from part to part; the details beside it list the lines. */
export function Drawing({ document, rates, state, selection, onSelect }: DrawingProps): ReactElement {
  const names = document.connections.map((connection) => `${connection.id} ${connection.from} ${connection.to}`).join()
  // The lines change with what is declared, not with each look.
  const [parties, lines] = useMemo(() => {
    const placed = partiesFor(document.connections.flatMap((connection) => [connection.from, connection.to]))
    return [placed, new Map(linesFor(document.connections, placed, LANES).map((line) => [line.id, line]))] as const
  }, [names])
  const boxes = parties.filter((party) => party.kind === 'role')
  const roles = new Map(document.roles.map((role) => [role.role, role]))
  const embedded = new Set(document.connections.filter((connection) => connection.state === 'embedded').map((connection) => connection.to))
  const [entry, setEntry] = useState('sip-proxy')
  const svg = useRef<SVGSVGElement>(null)
  const isPointed = selection.kind !== 'none'

  const onKeyDown = (event: KeyboardEvent, party: Party): void => {
    if (event.key === 'Escape') onSelect({ kind: 'none' })
    if (!isArrow(event.key)) return
    event.preventDefault()
    const next = neighbour(boxes, party, event.key)
    setEntry(next.name)
    svg.current?.querySelector<SVGGElement>(`[data-party="${CSS.escape(next.name)}"]`)?.focus()
  }
  return (
    <div className={styles['frame']}>
      <svg ref={svg} viewBox={`-8 -8 ${SIZE.width + 16} ${SIZE.height + 16}`} className={styles['drawing']} role="group" aria-label={t('topology.drawing')}>
        <defs>
          <marker id="direction" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="14" markerHeight="14" markerUnits="userSpaceOnUse" orient="auto">
            <path d="M0 0L10 5L0 10z" className={styles['direction']} />
          </marker>
        </defs>
        {GROUPS.map((group) => (
          <g key={group.name}>
            <rect className={styles['group']} x={group.x} y={group.y} width={group.width} height={group.height} rx="14" />
            <text className={styles['title']} x={group.x + 16} y={group.y + 23}>
              {group.title}
            </text>
          </g>
        ))}
        {document.connections.map((connection) => {
          const line = lines.get(connection.id)
          if (line === undefined) return null
          const isChosen = touches(selection, connection)
          const isQuiet = isPointed ? !isChosen : state !== 'all' && connection.state !== state
          const emphasis = isChosen ? 'chosen' : isQuiet ? 'quiet' : 'plain'
          return <LineOf key={connection.id} id={connection.id} state={connection.state} line={line} emphasis={emphasis} rate={rates.get(connection.id) ?? 0} onSelect={onSelect} />
        })}
        {boxes.map((party) => (
          <PartyBox
            key={party.name}
            party={party}
            state={partyState(roles.get(party.name), embedded.has(party.name))}
            isChosen={selection.kind === 'party' && selection.name === party.name}
            isEntry={party.name === entry}
            onSelect={onSelect}
            onKeyDown={onKeyDown}
          />
        ))}
      </svg>
    </div>
  )
}
