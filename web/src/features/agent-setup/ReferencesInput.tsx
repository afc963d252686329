import { useRef, useState, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { FaultsOf } from '../../ui/Field'
import type { Field } from './fields'
import { describedBy, HintOf } from './Hint'
import { focusNeighbour } from './neighbour'
import { ReferenceInput } from './ReferenceInput'
import styles from './Form.module.css'

/** All are shown when they are asked for: a group may have thousands. Before that the last ones, among which is whoever was just added. */
const SHOWN_LAST = 200

export type ReferencesInputProps = {
  readonly id: string
  readonly tenant: string
  readonly field: Extract<Field, { kind: 'references' }>
  readonly chosen: readonly string[]
  /** What stands in the input and is not yet one of them; it counts all the same. */
  readonly typed: string
  readonly faults: readonly string[]
  readonly onChange: (value: readonly string[]) => void
  readonly onType: (typed: string) => void
}

/** Several other objects, in their order. */
export function ReferencesInput({ id, tenant, field, chosen, typed, faults, onChange, onType }: ReferencesInputProps): ReactElement {
  const box = useRef<HTMLFieldSetElement>(null)
  const [isWhole, setWhole] = useState(false)
  const shown = isWhole ? chosen : chosen.slice(-SHOWN_LAST)
  const add = (): void => {
    const name = typed.trim()
    onType('')
    if (name !== '' && !chosen.includes(name)) onChange([...chosen, name])
  }
  const remove = (name: string): void => {
    onChange(chosen.filter((one) => one !== name))
    focusNeighbour(box.current, shown.indexOf(name), id)
  }
  return (
    <fieldset ref={box} className={styles['many']} aria-describedby={describedBy(id, field.hint, faults)}>
      <legend>
        {t(field.label)} {field.required === true ? <span className={styles['hint']}>{t('setup.needed')}</span> : null}
      </legend>
      {chosen.length === 0 ? null : (
        <ul className={styles['chosen']}>
          {shown.map((name) => (
            <li key={name} data-one>
              {name}
              <Button label={t('setup.removeOne', { name })} onClick={() => remove(name)}>
                ×
              </Button>
            </li>
          ))}
        </ul>
      )}
      {shown.length === chosen.length ? null : (
        <div>
          <Button onClick={() => setWhole(true)}>{t('setup.showAll', { count: chosen.length })}</Button>
        </div>
      )}
      <div className={styles['adder']}>
        <ReferenceInput tenant={tenant} of={field.of} value={typed} attributes={{ id, 'aria-label': t('setup.addTo', { field: t(field.label) }), 'aria-invalid': faults.length > 0 }} onChange={onType} onEnter={add} />
        <Button onClick={add}>{t('setup.add')}</Button>
      </div>
      <HintOf id={id} hint={field.hint} />
      <FaultsOf id={id} faults={faults} />
    </fieldset>
  )
}
