import { useEffect, useRef, type ReactElement } from 'react'
import { assertNever } from '../../lib/assert-never'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { FaultsOf, Field, type FieldAttributes } from '../../ui/Field'
import { flagIn, isRemoved, rowsIn, sectionsIn, textIn, textsIn, typedOf, type Draft, type DraftValue, type Field as Described, type Options } from './fields'
import { describedBy, HintOf } from './Hint'
import { OneOfRows } from './OneOfRows'
import { ReferenceInput } from './ReferenceInput'
import { ReferencesInput } from './ReferencesInput'
import { RowsInput } from './RowsInput'
import { SectionsInput } from './SectionsInput'
import styles from './Form.module.css'

export type FieldInputProps = {
  readonly tenant: string
  readonly field: Described
  readonly draft: Draft
  readonly isNew: boolean
  readonly faults: readonly string[]
  /** Of rows: the cells at fault. */
  readonly faultyCells: readonly string[]
  readonly onChange: (path: string, value: DraftValue) => void
}

/** The id of a field's input in the page. */
export const inputId = (path: string): string => `field-${path.replaceAll('.', '-')}`

/** A field of a form, by its description. */
export function FieldInput({ tenant, field, draft, isNew, faults, faultyCells, onChange }: FieldInputProps): ReactElement | null {
  const id = inputId(field.path)
  const change = (value: DraftValue): void => onChange(field.path, value)
  if (field.kind === 'flag') return <Flag id={id} field={field} isOn={flagIn(draft, field.path)} faults={faults} onChange={change} />
  if (field.kind === 'many') return <Many id={id} field={field} chosen={textsIn(draft, field.path)} faults={faults} onChange={change} />
  if (field.kind === 'rows') return <RowsInput id={id} tenant={tenant} field={field} rows={rowsIn(draft, field.path)} faults={faults} faulty={faultyCells} onChange={change} />
  if (field.kind === 'sections') return <SectionsInput id={id} tenant={tenant} field={field} sections={sectionsIn(draft, field.path)} faults={faults} onChange={change} />
  if (field.kind === 'references' || field.kind === 'names') {
    const typed = typedOf(field.path)
    return (
      <ReferencesInput id={id} tenant={tenant} field={field} chosen={textsIn(draft, field.path)} typed={textIn(draft, typed)} faults={faults} onChange={change} onType={(value) => onChange(typed, value)} />
    )
  }
  if (field.kind === 'secret' && isRemoved(draft, field.path)) {
    const keep = (): void => {
      change('')
      requestAnimationFrame(() => document.getElementById(id)?.focus())
    }
    return <Removed id={id} label={t(field.label)} onKeep={keep} />
  }
  if (field.kind === 'secret' && field.isOnlyRemoved === true) return isNew ? null : <Removable id={id} field={field} faults={faults} onRemove={() => change(false)} />
  const isFixed = field.fixed === true && !isNew
  return (
    <Field id={id} label={t(field.label)} hint={hintOf(field, isNew)} faults={faults} required={field.required === true && !isFixed ? t('setup.needed') : undefined} isWide={field.kind === 'document' || field.kind === 'keys' || (field.kind === 'text' && field.isWide === true)}>
      {(attributes) => (
        <>
          {field.kind === 'one-of-rows' ? (
            <OneOfRows field={field} rows={rowsIn(draft, field.rows)} value={textIn(draft, field.path)} attributes={attributes} onChange={change} />
          ) : (
            <Input tenant={tenant} field={field} value={textIn(draft, field.path)} isFixed={isFixed} attributes={attributes} onChange={change} />
          )}
          {field.kind === 'secret' && !isNew && field.isKept !== true ? (
            <Button label={t('setup.secret.removeOf', { field: t(field.label) })} onClick={() => change(false)}>
              {t('setup.secret.remove')}
            </Button>
          ) : null}
        </>
      )}
    </Field>
  )
}

function hintOf(field: Described, isNew: boolean): string | undefined {
  const hints = [field.hint === undefined ? '' : t(field.hint), field.kind === 'secret' && !isNew ? t('setup.secretKept') : '', field.kind === 'whole' && field.unit !== undefined ? t(field.unit) : '', field.kind === 'whole' ? t('setup.range', { min: field.min, max: field.max }) : '']
  return hints.filter((hint) => hint !== '').join(' ') || undefined
}

type RemovedProps = { readonly id: string; readonly label: string; readonly onKeep: () => void }

/** A secret that goes when the form is saved. */
function Removed({ id, label, onKeep }: RemovedProps): ReactElement {
  const box = useRef<HTMLDivElement>(null)
  // The button that was pressed is gone.
  useEffect(() => box.current?.querySelector('button')?.focus(), [])
  return (
    <div ref={box} id={id} tabIndex={-1} role="group" aria-label={label} className={styles['flag']}>
      <p>{t('setup.secret.removed', { field: label })}</p>
      <Button onClick={onKeep}>{t('setup.secret.keep')}</Button>
    </div>
  )
}

type RemovableProps = { readonly id: string; readonly field: Extract<Described, { kind: 'secret' }>; readonly faults: readonly string[]; readonly onRemove: () => void }

/** A secret that others set: it is not typed here. */
function Removable({ id, field, faults, onRemove }: RemovableProps): ReactElement {
  return (
    <div role="group" aria-label={t(field.label)} aria-describedby={describedBy(id, field.hint, faults)} className={styles['flag']}>
      <strong>{t(field.label)}</strong>
      <div>
        <button id={id} type="button" className={styles['addRow']} aria-label={t('setup.secret.removeOf', { field: t(field.label) })} onClick={onRemove}>
          {t('setup.secret.remove')}
        </button>
      </div>
      <HintOf id={id} hint={field.hint} />
      <FaultsOf id={id} faults={faults} />
    </div>
  )
}

type Plain = Extract<Described, { kind: 'text' | 'secret' | 'whole' | 'choice' | 'lines' | 'document' | 'keys' | 'reference' }>
type InputProps = {
  readonly tenant: string
  readonly field: Plain
  readonly value: string
  readonly isFixed: boolean
  readonly attributes: FieldAttributes
  readonly onChange: (value: string) => void
}

function Input({ tenant, field, value, isFixed, attributes, onChange }: InputProps): ReactElement {
  const common = { ...attributes, value, required: field.required === true, readOnly: isFixed, autoComplete: 'off', spellCheck: false, onChange: (event: { readonly target: { readonly value: string } }) => onChange(event.target.value) }
  switch (field.kind) {
    case 'text':
      return <input {...common} type={field.type ?? 'text'} />
    case 'secret':
      return <input {...common} type="password" autoComplete="new-password" />
    case 'whole':
      return <input {...common} type="text" inputMode="numeric" />
    case 'lines':
      return <textarea {...common} rows={4} />
    case 'document':
      return <textarea {...common} rows={field.code === true ? 24 : 5} className={styles['code']} />
    case 'keys':
      return <textarea {...common} rows={8} className={styles['code']} />
    case 'choice':
      return <Choice {...attributes} value={value} options={field.options} isRequired={field.required === true} isFixed={isFixed} onChange={onChange} />
    case 'reference':
      return <ReferenceInput tenant={tenant} of={field.of} value={value} attributes={attributes} onChange={onChange} />
    default:
      return assertNever(field)
  }
}

type ChoiceProps = FieldAttributes & {
  readonly value: string
  readonly options: Options
  readonly isRequired: boolean
  readonly isFixed?: boolean
  readonly onChange: (value: string) => void
}

function Choice({ value, options, isRequired, isFixed = false, onChange, ...attributes }: ChoiceProps): ReactElement {
  return (
    <select {...attributes} value={value} disabled={isFixed} onChange={(event) => onChange(event.target.value)}>
      {isRequired ? null : <option value="">{t('setup.choiceOfTenant')}</option>}
      {/* One that is not known here, as from a later release, is shown as it is. */}
      {value === '' || options.some(([name]) => name === value) ? null : <option value={value}>{value}</option>}
      {options.map(([name, words]) => (
        <option key={name} value={name}>
          {t(words)}
        </option>
      ))}
    </select>
  )
}

type FlagProps = { readonly id: string; readonly field: Described; readonly isOn: boolean; readonly faults: readonly string[]; readonly onChange: (value: boolean) => void }

function Flag({ id, field, isOn, faults, onChange }: FlagProps): ReactElement {
  return (
    <div className={styles['flag']}>
      <label className={styles['check']}>
        <input id={id} type="checkbox" checked={isOn} aria-describedby={describedBy(id, field.hint, faults)} onChange={(event) => onChange(event.target.checked)} />
        {t(field.label)}
      </label>
      <HintOf id={id} hint={field.hint} />
      <FaultsOf id={id} faults={faults} />
    </div>
  )
}

type ManyProps = {
  readonly id: string
  readonly field: Extract<Described, { kind: 'many' }>
  readonly chosen: readonly string[]
  readonly faults: readonly string[]
  readonly onChange: (value: readonly string[]) => void
}

function Many({ id, field, chosen, faults, onChange }: ManyProps): ReactElement {
  return (
    <fieldset id={id} tabIndex={-1} className={styles['many']} aria-describedby={describedBy(id, field.hint, faults)}>
      <legend>
        {t(field.label)} {field.required === true ? <span className={styles['hint']}>{t('setup.needed')}</span> : null}
      </legend>
      {field.options.map(([name, words]) => (
        <label key={name} className={styles['check']}>
          <input type="checkbox" checked={chosen.includes(name)} onChange={(event) => onChange(event.target.checked ? [...chosen, name] : chosen.filter((one) => one !== name))} />
          {t(words)}
        </label>
      ))}
      <HintOf id={id} hint={field.hint} />
      <FaultsOf id={id} faults={faults} />
    </fieldset>
  )
}
