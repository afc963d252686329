import { memo, type CSSProperties, type ReactElement } from 'react'
import { messages } from '../../lib/messages'
import { AgentTile } from './AgentTile'
import { GAP, heightOf, widthOf } from './density'
import type { Agent } from './model'
import { isSinceKnown } from './rules'
import { useRoom, type Room } from './use-room'
import styles from './AgentGrid.module.css'

const text = messages.wallboard

export type AgentGridProps = {
  readonly agents: readonly Agent[]
  /** Since when the numbers count. */
  readonly countsSince: number
}

/** All agents, as large as they fit into the rest of the wall; on a small screen a list that scrolls. */
export const AgentGrid = memo(function AgentGrid({ agents, countsSince }: AgentGridProps): ReactElement {
  const loggedIn = agents.filter((agent) => agent.state !== 'loggedOut')
  const [element, room] = useRoom(agents.length, loggedIn.length)
  const chosen = room.kind === 'wall' && room.fit.shown === 'all' ? agents : loggedIn
  const shown = room.kind === 'page' ? chosen : chosen.slice(0, room.fit.columns * room.fit.rows)
  const density = room.kind === 'page' ? 'row' : room.fit.density
  return (
    <div className={styles['room']} ref={element}>
      {agents.length === 0 ? <p className={styles['note']}>{text.noAgents}</p> : null}
      <ul className={styles['grid']} style={gridStyle(room)} data-density={density}>
        {shown.map((agent) => (
          <AgentTile key={agent.id} agent={agent} density={density} isSinceKnown={isSinceKnown(agent, countsSince)} />
        ))}
      </ul>
      {room.kind === 'page' ? (
        <LoggedOut agents={agents.filter((agent) => agent.state === 'loggedOut')} countsSince={countsSince} />
      ) : (
        <Hidden loggedOut={agents.length - chosen.length} more={chosen.length - shown.length} unit={room.unit} />
      )}
    </div>
  )
})

function gridStyle(room: Room): CSSProperties {
  if (room.kind === 'page') {
    return { gridTemplateColumns: `repeat(auto-fill, minmax(min(100%, ${widthOf('row')}px), 1fr))`, gridAutoRows: `${heightOf('row')}px`, gap: `${GAP}px` }
  }
  const scale = room.unit * room.fit.scale
  return {
    fontSize: `${16 * scale}px`,
    gridTemplateColumns: `repeat(${room.fit.columns}, minmax(0, 1fr))`,
    gridAutoRows: `${heightOf(room.fit.density) * scale}px`,
    gap: `${GAP * scale}px`,
  }
}

/** On a small screen those who are logged out are behind a count. */
function LoggedOut({ agents, countsSince }: AgentGridProps): ReactElement | null {
  if (agents.length === 0) return null
  return (
    <details className={styles['out']}>
      <summary>{text.loggedOutCount(agents.length)}</summary>
      <ul className={styles['grid']} style={gridStyle({ kind: 'page' })}>
        {agents.map((agent) => (
          <AgentTile key={agent.id} agent={agent} density="row" isSinceKnown={isSinceKnown(agent, countsSince)} />
        ))}
      </ul>
    </details>
  )
}

type HiddenProps = { readonly loggedOut: number; readonly more: number; readonly unit: number }

function Hidden({ loggedOut, more, unit }: HiddenProps): ReactElement | null {
  const words = [loggedOut > 0 ? text.loggedOutHidden(loggedOut) : '', more > 0 ? text.moreAgents(more) : ''].filter((part) => part !== '')
  return words.length === 0 ? null : (
    <p className={styles['note']} style={{ fontSize: `${Math.max(12, 14 * unit)}px`, lineHeight: `${20 * unit}px` }}>
      {words.join(' · ')}
    </p>
  )
}
