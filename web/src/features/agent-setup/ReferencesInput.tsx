import { useRef, useState, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { FaultsOf } from '../../ui/Field'
import type { Field } from './fields'
import { describedBy, HintOf } from './Hint'
import { focusNeighbour } from './neighbour'
import { ReferenceInput } from './ReferenceInput'
import { SuggestedInput } from './SuggestedInput'
import styles from './Form.module.css'

/** All are shown when they are asked for: a group may have thousands. Before that the last ones, among which is whoever was just added. */
const SHOWN_LAST = 200

export type ReferencesInputProps = {
  readonly id: string
  readonly tenant: string
  readonly field: Extract<Field, { kind: 'references' | 'names' }>
  readonly chosen: readonly string[]
  /** What stands in the input and is not yet one of them; it counts all the same. */
  readonly typed: string
  readonly faults: readonly string[]
  readonly onChange: (value: readonly string[]) => void
  readonly onType: (typed: string) => void
}

/** Several names, of other objects or of those that there are, in their order. */
export function ReferencesInput({ id, tenant, field, chosen, typed, faults, onChange, onType }: ReferencesInputProps): ReactElement {
  const box = useRef<HTMLFieldSetElement>(null)
  const [isWhole, setWhole] = useState(false)
  const shown = isWhole ? chosen : chosen.slice(-SHOWN_LAST)
  const attributes = { id, 'aria-label': t('setup.addTo', { field: t(field.label) }), 'aria-invalid': faults.length > 0 }
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
              <Meaning field={field} name={name} />
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
        {field.kind === 'references' ? (
          <ReferenceInput tenant={tenant} of={field.of} value={typed} attributes={attributes} onChange={onType} onEnter={add} />
        ) : (
          <SuggestedInput suggestions={field.options.map(([name, words]) => [name, t(words)])} value={typed} attributes={attributes} onChange={onType} onEnter={add} />
        )}
        <Button onClick={add}>{t('setup.add')}</Button>
      </div>
      <HintOf id={id} hint={field.hint} />
      <FaultsOf id={id} faults={faults} />
    </fieldset>
  )
}

/** What a name says to people, where it is one of those that there are. */
function Meaning({ field, name }: { readonly field: ReferencesInputProps['field']; readonly name: string }): ReactElement | null {
  const words = field.kind === 'names' ? field.options.find(([known]) => known === name)?.[1] : undefined
  return words === undefined ? null : <span className={styles['hint']}>{t(words)}</span>
}
