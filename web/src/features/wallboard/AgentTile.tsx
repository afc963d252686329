import { memo, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Since } from '../../ui/Since'
import { Glyph } from '../../ui/state-glyphs'
import type { Density } from './density'
import type { Agent } from './model'
import { bandOf, shortName } from './rules'
import styles from './AgentTile.module.css'

export type AgentTileProps = {
  readonly agent: Agent
  readonly density: Density
  /** Whether `since` is when it happened, and not when the numbers begin. */
  readonly isSinceKnown: boolean
  /** Its place in a list of which only a part is in the document, and how long that list is. */
  readonly place?: number
  readonly of?: number
}

/** One agent with state and how long. Drawn again only when its row changed. */
export const AgentTile = memo(function AgentTile({ agent, density, isSinceKnown, place, of }: AgentTileProps): ReactElement {
  const band = bandOf(agent.state)
  const state = stateText(agent)
  const label = t('wallboard.agentLabel', { name: agent.name, state })
  return (
    <li className={`${styles['tile']} ${styles[density]} ${styles[band]}`} data-agent={agent.id} data-state={agent.state} title={label} aria-posinset={place} aria-setsize={of}>
      <Glyph name={band} className={styles['sign']} />
      {density === 'dot' ? (
        <span className="visually-hidden">{label}</span>
      ) : (
        <>
          <span className={styles['name']}>{density === 'chip' ? shortName(agent.name) : agent.name}</span>
          <span className={density === 'card' ? styles['state'] : 'visually-hidden'}>{state}</span>
          {isSinceKnown ? <Since since={agent.since} className={styles['since']} form="short" /> : <span className={styles['since']}>–</span>}
        </>
      )}
    </li>
  )
})

function stateText(agent: Agent): string {
  const state = t(`agentState.${agent.state}`)
  return agent.reason === null || agent.reason === '' ? state : `${state}: ${agent.reason}`
}
