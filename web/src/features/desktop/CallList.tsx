import type { ReactElement } from 'react'
import type { Call } from '../../api/workspace-shapes'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Glyph } from '../../ui/state-glyphs'
import { useShortcut } from '../../ui/use-shortcut'
import { CallClock } from './CallClock'
import { slotOf } from './CallActions'
import type { Desk } from './desk'
import type { DeskProps } from './Desktop'
import { presses, usePress } from './presses'
import { phaseOf, queueOf, whoOf } from './words'
import styles from './Desktop.module.css'

/** All calls of the phone; one of them is shown whole. */
export function CallList({ desk, state: { calls, selected } }: DeskProps): ReactElement {
  return (
    <section aria-label={t('desk.calls')} className={styles['panel']} hidden={calls.length === 0}>
      <ul className={styles['calls']}>
        {calls.map((call, index) => (
          <Row key={call.id} desk={desk} call={call} number={index + 1} isSelected={call.id === selected} />
        ))}
      </ul>
    </section>
  )
}

/** Calls beyond it have no key. */
const KEYS_MAX = 9

type RowProps = { readonly desk: Desk; readonly call: Call; readonly number: number; readonly isSelected: boolean }

function Row({ desk, call, number, isSelected }: RowProps): ReactElement {
  const { glyph, text } = phaseOf(call)
  const queue = queueOf(call)
  const select = (): void => desk.take({ kind: 'select', call: call.id })
  const slot = slotOf(call, { keys: 'a' })
  const { isOff, isBusy } = usePress()(slot)
  useShortcut(number <= KEYS_MAX ? String(number) : '', t('desk.call.select', { number }), select)
  return (
    <li data-call={call.phase}>
      <button type="button" aria-pressed={isSelected} className={styles['row']} onClick={select}>
        <Glyph name={glyph} className={styles[glyph]} />
        <span className={styles['strong']}>{whoOf(call)}</span>
        <span>{text}</span>
        <CallClock call={call} />
        {queue === '' ? null : <span className={styles['quiet']}>{queue}</span>}
      </button>
      {call.phase === 'Ringing' && !isSelected ? (
        <Button
          tone="main"
          label={`${t('desk.op.answer')}: ${whoOf(call)}`}
          isOff={isOff}
          isBusy={isBusy}
          onClick={() => {
            select()
            presses.press(slot, desk, () => desk.ask('answer', call.id))
          }}
        >
          {t('desk.op.answer')}
        </Button>
      ) : null}
    </li>
  )
}
