import { useId, type KeyboardEvent, type ReactElement, type Ref } from 'react'
import type { Configuration } from '../../api/workspace-shapes'
import { t } from '../../lib/i18n'
import { Field } from '../../ui/Field'
import { Presence } from './Presence'
import type { Destination } from './use-destination'
import styles from './Directory.module.css'

export type DestinationInputProps = {
  readonly label: string
  readonly hint?: string
  readonly destination: Destination
  readonly configuration: Configuration | undefined
  readonly input?: Ref<HTMLInputElement>
}

/** A name or a number: who is found by it is listed below, with whether they can talk now. Arrows mark one, Enter means the marked one. */
export function DestinationInput({ label, hint, destination, configuration, input }: DestinationInputProps): ReactElement {
  const id = useId()
  const { typed, chosen, found, marked, isLooking } = destination
  const isOpen = found.length > 0 && chosen === undefined
  const option = (index: number): string => `${id}-${index}`
  const onKey = (event: KeyboardEvent): void => {
    if (!isOpen || (event.key !== 'ArrowDown' && event.key !== 'ArrowUp')) return
    event.preventDefault()
    destination.move(event.key === 'ArrowDown' ? 1 : -1)
  }
  return (
    <div className={styles['destination']}>
      <Field id={`${id}-input`} label={label} hint={hint}>
        {(attributes) => (
          <input
            {...attributes}
            ref={input}
            type="text"
            role="combobox"
            aria-autocomplete="list"
            aria-expanded={isOpen}
            aria-controls={`${id}-list`}
            aria-activedescendant={isOpen && marked >= 0 ? option(marked) : undefined}
            autoComplete="off"
            spellCheck={false}
            value={typed}
            onChange={(event) => destination.type(event.target.value)}
            onKeyDown={onKey}
          />
        )}
      </Field>
      <ul id={`${id}-list`} role="listbox" aria-label={t('work.found')} className={styles['options']} hidden={!isOpen}>
        {(isOpen ? found : []).map((target, index) => (
          // The focus stays where is typed: a press chooses, Enter goes on.
          <li key={`${target.type} ${target.id}`} id={option(index)} role="option" aria-selected={index === marked} className={styles['option']} onPointerDown={(event) => event.preventDefault()} onClick={() => destination.choose(target)}>
            <Presence target={target} configuration={configuration} />
          </li>
        ))}
      </ul>
      {chosen === undefined ? null : (
        <p className={styles['chosen']}>
          <Presence target={chosen} configuration={configuration} />
        </p>
      )}
      <p role="status" className="visually-hidden">
        {isLooking ? t('work.looking') : isOpen ? t('work.foundMany', { many: found.length }) : ''}
      </p>
    </div>
  )
}
