import { useEffect, useRef, useState, type ReactElement, type ReactNode } from 'react'
import { t } from '../../lib/i18n'
import { FieldInput, inputId } from './FieldInput'
import { faultyCells, isEmpty, type FieldFaults } from './faults'
import { flagIn, isOn, isShown, shownFields, switchOf, type Draft, type DraftValue, type Group } from './fields'
import styles from './Form.module.css'

export type ObjectFormProps = {
  readonly tenant: string
  readonly groups: readonly Group[]
  readonly draft: Draft
  readonly isNew: boolean
  /** While it is checked nothing can be typed that would not be in what was checked. */
  readonly isFrozen: boolean
  readonly faults: FieldFaults
  /** What to do about the faults, where there is more than to correct them. */
  readonly wayOut: ReactNode
  readonly onChange: (path: string, value: DraftValue) => void
}

/** The fields of an object in their groups, as its kind is described. */
export function ObjectForm({ tenant, groups, draft, isNew, isFrozen, faults, wayOut, onChange }: ObjectFormProps): ReactElement {
  const fieldsOf = (group: Group): ReactElement => (
    <div className={styles['fields']}>
      {group.within === undefined || group.within.by === 'content' ? null : <Switch path={group.within.path} label={t(group.within.by)} draft={draft} onChange={onChange} />}
      {isOn(group, draft)
        ? group.fields
            .filter((field) => isShown(field, draft))
            .map((field) => <FieldInput key={field.path} tenant={tenant} field={field} draft={draft} isNew={isNew} faults={faults[field.path] ?? []} faultyCells={faultyCells(faults, field.path)} onChange={onChange} />)
        : null}
    </div>
  )
  return (
    <>
      <Summary groups={groups} draft={draft} faults={faults} wayOut={wayOut} />
      <fieldset disabled={isFrozen} className={styles['all']}>
        {groups
          .filter((group) => isShown(group, draft))
          .map((group) =>
            group.isFurther === true ? (
              <Further key={group.title} group={group} faults={faults}>
                {fieldsOf(group)}
              </Further>
            ) : (
              <fieldset key={group.title} className={styles['group']}>
                <legend>{t(group.title)}</legend>
                {fieldsOf(group)}
              </fieldset>
            ),
          )}
      </fieldset>
    </>
  )
}

type FurtherProps = { readonly group: Group; readonly faults: FieldFaults; readonly children: ReactNode }

/** A group that is folded until somebody wants it. Faults in it open it; it stays open when they are gone, for that is where somebody works. */
function Further({ group, faults, children }: FurtherProps): ReactElement {
  const [isOpen, setOpen] = useState(false)
  const [seen, setSeen] = useState<FieldFaults>()
  if (seen !== faults) {
    setSeen(faults)
    if (group.fields.some(({ path }) => faults[path] !== undefined)) setOpen(true)
  }
  return (
    <details className={styles['group']} open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t(group.title)}</summary>
      {children}
    </details>
  )
}

type SwitchProps = { readonly path: string; readonly label: string; readonly draft: Draft; readonly onChange: (path: string, value: boolean) => void }

function Switch({ path, label, draft, onChange }: SwitchProps): ReactElement {
  return (
    <label className={`${styles['check']} ${styles['switch']}`}>
      <input type="checkbox" checked={flagIn(draft, switchOf(path))} onChange={(event) => onChange(switchOf(path), event.target.checked)} />
      {label}
    </label>
  )
}

type SummaryProps = Pick<ObjectFormProps, 'groups' | 'draft' | 'faults' | 'wayOut'>

/** What is wrong, at the beginning, with a way to each field; whoever has sent the form begins there. */
function Summary({ groups, draft, faults, wayOut }: SummaryProps): ReactElement | null {
  const box = useRef<HTMLDivElement>(null)
  const isFaulty = !isEmpty(faults)
  useEffect(() => {
    if (isFaulty) box.current?.focus()
  }, [isFaulty, faults])
  if (!isFaulty) return null
  const fields = shownFields(groups, draft)
  // Of rows to the first cell at fault; what is about none of them to what adds a row.
  const placeOf = (path: string): string => inputId(`${path}${faultyCells(faults, path)[0] ?? ''}`)
  return (
    <div ref={box} tabIndex={-1} role="alert" className={styles['summary']}>
      <h2>{t('setup.faults.title')}</h2>
      <ul>
        {(faults[''] ?? []).map((rule) => (
          <li key={rule}>{rule}</li>
        ))}
        {fields
          .filter(({ path }) => faults[path] !== undefined)
          .map(({ path, label }) => (
            <li key={path}>
              <a
                href={`#${placeOf(path)}`}
                onClick={(event) => {
                  event.preventDefault()
                  document.getElementById(placeOf(path))?.focus()
                }}
              >
                {t(label)}
              </a>
              : {(faults[path] ?? []).join(' ')}
            </li>
          ))}
      </ul>
      {wayOut}
    </div>
  )
}
