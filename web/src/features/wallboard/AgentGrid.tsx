import { lazy, memo, Suspense, useState, type CSSProperties, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { AgentTile } from './AgentTile'
import { GAP, heightOf } from './density'
import type { Agent } from './model'
import { isSinceKnown } from './rules'
import { useRoom, type Room } from './use-room'
import styles from './AgentGrid.module.css'

// A wall never needs it.
const AgentList = lazy(async () => ({ default: (await import('./AgentList')).AgentList }))

export type AgentGridProps = {
  readonly agents: readonly Agent[]
  /** Since when the numbers count. */
  readonly countsSince: number
}

/** All agents, as large as they fit into the rest of the wall; on a small screen a list that scrolls. */
export const AgentGrid = memo(function AgentGrid({ agents, countsSince }: AgentGridProps): ReactElement {
  const loggedIn = agents.filter((agent) => agent.state !== 'loggedOut')
  const [element, room] = useRoom(agents.length, loggedIn.length)
  return (
    <div className={styles['room']} ref={element}>
      {agents.length === 0 ? <p className={styles['note']}>{t('wallboard.noAgents')}</p> : null}
      {room.kind === 'page' ? (
        <Suspense>
          <AgentList agents={loggedIn} countsSince={countsSince} />
          <LoggedOut agents={agents.filter((agent) => agent.state === 'loggedOut')} countsSince={countsSince} />
        </Suspense>
      ) : (
        <Wall all={agents} loggedIn={loggedIn} countsSince={countsSince} room={room} />
      )}
    </div>
  )
})

type Wall = Extract<Room, { readonly kind: 'wall' }>
type WallProps = { readonly all: readonly Agent[]; readonly loggedIn: readonly Agent[]; readonly countsSince: number; readonly room: Wall }

function Wall({ all, loggedIn, countsSince, room }: WallProps): ReactElement {
  const chosen = room.fit.shown === 'all' ? all : loggedIn
  const shown = chosen.slice(0, room.fit.columns * room.fit.rows)
  const { density } = room.fit
  return (
    <>
      <ul className={styles['grid']} style={gridStyle(room)} data-density={density}>
        {shown.map((agent) => (
          <AgentTile key={agent.id} agent={agent} density={density} isSinceKnown={isSinceKnown(agent, countsSince)} />
        ))}
      </ul>
      <Hidden loggedOut={all.length - chosen.length} more={chosen.length - shown.length} unit={room.unit} />
    </>
  )
}

function gridStyle({ fit, unit }: Wall): CSSProperties {
  const scale = unit * fit.scale
  return {
    fontSize: `${16 * scale}px`,
    gridTemplateColumns: `repeat(${fit.columns}, minmax(0, 1fr))`,
    gridAutoRows: `${heightOf(fit.density) * scale}px`,
    gap: `${GAP * scale}px`,
  }
}

/** On a small screen those who are logged out are behind a count. */
function LoggedOut({ agents, countsSince }: AgentGridProps): ReactElement | null {
  const [isOpen, setOpen] = useState(false)
  if (agents.length === 0) return null
  return (
    <details className={styles['out']} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t('wallboard.loggedOutCount', { some: agents.length })}</summary>
      {isOpen ? <AgentList agents={agents} countsSince={countsSince} /> : null}
    </details>
  )
}

type HiddenProps = { readonly loggedOut: number; readonly more: number; readonly unit: number }

function Hidden({ loggedOut, more, unit }: HiddenProps): ReactElement | null {
  const words = [loggedOut > 0 ? t('wallboard.loggedOutHidden', { some: loggedOut }) : '', more > 0 ? t('wallboard.moreAgents', { more }) : ''].filter((part) => part !== '')
  return words.length === 0 ? null : (
    <p className={styles['note']} style={{ fontSize: `${Math.max(12, 14 * unit)}px`, lineHeight: `${20 * unit}px` }}>
      {words.join(' · ')}
    </p>
  )
}
