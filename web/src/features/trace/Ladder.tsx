import { useState, type KeyboardEvent, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { ladderOf, type Rung, type Scope } from './ladder'
import type { Message, Party } from './model'
import { RungLine } from './RungLine'
import styles from './Ladder.module.css'

export type LadderProps = {
  readonly parties: readonly Party[]
  readonly messages: readonly Message[]
  readonly beganAt: number
}

/** The SIP messages between their parties, in the order of time; a click shows a message as it was sent. */
export function Ladder({ parties, messages, beganAt }: LadderProps): ReactElement {
  const [scope, setScope] = useState<Scope>('all')
  const [opened, setOpened] = useState<string>()
  const { columns, rungs } = ladderOf(parties, messages, scope)
  if (messages.length === 0) return <p>{t('trace.noMessages')}</p>
  const name = (index: number): string => columns[index]?.name ?? ''
  return (
    <>
      <div className={styles['controls']}>
        <Button pressed={scope === 'outside'} onClick={() => setScope(scope === 'all' ? 'outside' : 'all')}>
          {t('trace.onlyOutside')}
        </Button>
        <span className={styles['hint']}>{t('trace.ladderHint')}</span>
      </div>
      <div className={styles['scroll']} tabIndex={0} role="region" aria-label={t('trace.ladder')}>
        <div className={styles['ladder']} style={{ minWidth: `${90 + columns.length * 150}px` }}>
          <div className={styles['heads']} aria-hidden="true">
            {columns.map((column) => (
              <span key={column.id} className={column.inside ? styles['inside'] : styles['outside']}>
                {column.name}
                {column.name === column.id ? null : <small>{column.id}</small>}
              </span>
            ))}
          </div>
          <ol onKeyDown={moveFocus}>
            {rungs.map((rung) => (
              <li key={rung.id}>
                <button
                  type="button"
                  className={styles['rung']}
                  aria-expanded={opened === rung.id}
                  onClick={() => setOpened(opened === rung.id ? undefined : rung.id)}
                >
                  <span className={styles['time']}>{timeOf(rung, beganAt)}</span>
                  <span className="visually-hidden">{t('trace.rungLabel', { label: rung.message.label, from: name(rung.from), to: name(rung.to) })}</span>
                  <RungLine rung={rung} columns={columns.length} />
                </button>
                {opened === rung.id ? <pre className={styles['text']}>{rung.message.text}</pre> : null}
              </li>
            ))}
          </ol>
        </div>
      </div>
    </>
  )
}

/** Seconds since the call began. */
function timeOf(rung: Rung, beganAt: number): string {
  // The first message came to the proxy a moment before the call began for whoever has given it its id.
  return `+${Math.max(0, (rung.message.at - beganAt) / 1_000).toFixed(3)}`
}

/** Up and down lead from message to message. */
function moveFocus(event: KeyboardEvent<HTMLOListElement>): void {
  if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return
  const buttons = [...event.currentTarget.querySelectorAll<HTMLButtonElement>('button')]
  const at = buttons.findIndex((button) => button === document.activeElement)
  const next = buttons[at + (event.key === 'ArrowDown' ? 1 : -1)]
  if (at < 0 || next === undefined) return
  event.preventDefault()
  next.focus()
}
