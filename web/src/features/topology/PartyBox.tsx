import type { KeyboardEvent, ReactElement } from 'react'
import { t } from '../../lib/i18n'
import type { Party } from './layout'
import type { PartyState, Selection } from './model'
import styles from './Drawing.module.css'

export type PartyBoxProps = {
  readonly party: Party
  readonly state: PartyState
  readonly isChosen: boolean
  /** The one that Tab leads to. */
  readonly isEntry: boolean
  readonly onSelect: (selection: Selection) => void
  readonly onKeyDown: (event: KeyboardEvent, party: Party) => void
}

/** One part of the drawing. */
export function PartyBox({ party, state, isChosen, isEntry, onSelect, onKeyDown }: PartyBoxProps): ReactElement {
  const select = (): void => onSelect({ kind: 'party', name: party.name })
  return (
    <g
      className={`${styles['party']} ${styles[state]} ${isChosen ? styles['chosen'] : ''}`}
      data-party={party.name}
      role="button"
      aria-label={t('topology.partyLabel', { name: party.name, state: t(`topology.roleState.${state}`) })}
      aria-pressed={isChosen}
      tabIndex={isEntry ? 0 : -1}
      onClick={select}
      onFocus={select}
      onMouseEnter={select}
      onKeyDown={(event) => onKeyDown(event, party)}
    >
      <rect x={party.x} y={party.y} width={party.width} height={party.height} rx="8" />
      {state === 'away' ? null : (
        <text className={styles['mark']} x={party.x + 10} y={party.y + 25}>
          {MARKS[state]}
        </text>
      )}
      <text className={styles['name']} x={party.x + (state === 'away' ? party.width / 2 : 24)} y={party.y + 25} textAnchor={state === 'away' ? 'middle' : 'start'}
        textLength={party.name.length > (state === 'away' ? 15 : 12) ? party.width - (state === 'away' ? 12 : 30) : undefined} lengthAdjust="spacingAndGlyphs">
        {party.name}
      </text>
    </g>
  )
}

const MARKS = { ready: '●', unready: '!', embedded: '◆', away: '' } as const
