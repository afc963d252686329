import { useState, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { FaultsOf } from '../../ui/Field'
import type { Field } from './fields'
import { ReferenceInput } from './ReferenceInput'
import styles from './Form.module.css'

export type ReferencesInputProps = {
  readonly id: string
  readonly tenant: string
  readonly field: Extract<Field, { kind: 'references' }>
  readonly chosen: readonly string[]
  readonly faults: readonly string[]
  readonly onChange: (value: readonly string[]) => void
}

/** Several other objects, in their order. */
export function ReferencesInput({ id, tenant, field, chosen, faults, onChange }: ReferencesInputProps): ReactElement {
  const [typed, setTyped] = useState('')
  const add = (): void => {
    const name = typed.trim()
    setTyped('')
    if (name !== '' && !chosen.includes(name)) onChange([...chosen, name])
  }
  return (
    <fieldset className={styles['many']} aria-describedby={faults.length === 0 ? undefined : `${id}-fault`}>
      <legend>
        {t(field.label)} {field.required === true ? <span className={styles['hint']}>{t('setup.needed')}</span> : null}
      </legend>
      {chosen.length === 0 ? null : (
        <ul className={styles['chosen']}>
          {chosen.map((name) => (
            <li key={name}>
              {name}
              <Button label={t('setup.removeOne', { name })} onClick={() => onChange(chosen.filter((one) => one !== name))}>
                ×
              </Button>
            </li>
          ))}
        </ul>
      )}
      <div className={styles['adder']}>
        <ReferenceInput tenant={tenant} of={field.of} value={typed} attributes={{ id, 'aria-label': t('setup.addTo', { field: t(field.label) }), 'aria-invalid': faults.length > 0 }} onChange={setTyped} onEnter={add} />
        <Button onClick={add}>{t('setup.add')}</Button>
      </div>
      {field.hint === undefined ? null : <p className={styles['hint']}>{t(field.hint)}</p>}
      <FaultsOf id={id} faults={faults} />
    </fieldset>
  )
}
