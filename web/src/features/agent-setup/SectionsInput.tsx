import { useRef, useState, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { FaultsOf, Field as Labelled } from '../../ui/Field'
import type { Field, SectionDraft } from './fields'
import { describedBy, HintOf } from './Hint'
import { neighbourOf } from './neighbour'
import { RowsInput, type RowsInputProps } from './RowsInput'
import styles from './Form.module.css'

export type SectionsInputProps = {
  readonly id: string
  readonly tenant: string
  readonly field: Extract<Field, { kind: 'sections' }>
  readonly sections: readonly SectionDraft[]
  readonly faults: readonly string[]
  readonly onChange: (value: readonly SectionDraft[]) => void
}

/** Keys and values of a section, as rows. */
const VALUES: RowsInputProps['field'] = {
  kind: 'rows',
  path: 'entries',
  label: 'setup.lookup.values',
  add: 'setup.lookup.addValue',
  columns: [
    { kind: 'text', name: 'key', label: 'setup.lookup.key', required: true },
    { kind: 'text', name: 'value', label: 'setup.lookup.value', required: true },
  ],
}

/** Sections with keys and values; each is folded until it is wanted, for there may be hundreds. */
export function SectionsInput({ id, tenant, field, sections, faults, onChange }: SectionsInputProps): ReactElement {
  const box = useRef<HTMLFieldSetElement>(null)
  const [isOpen, setOpen] = useState<readonly boolean[]>([])
  /** Once the page is drawn anew. */
  const focusOn = (wanted: string, at: number): void => {
    requestAnimationFrame(() => [...(box.current?.querySelectorAll('[data-section]') ?? [])].at(at)?.querySelector<HTMLElement>(wanted)?.focus())
  }
  const change = (at: number, section: SectionDraft): void => onChange(sections.map((one, index) => (index === at ? section : one)))
  const fold = (at: number, open: boolean): void => setOpen((before) => sections.map((_, index) => (index === at ? open : before[index] === true)))
  const add = (): void => {
    onChange([...sections, { name: '', entries: [] }])
    setOpen([...sections.map((_, index) => isOpen[index] === true), true])
    focusOn('input', -1)
  }
  const remove = (at: number): void => {
    onChange(sections.filter((_, index) => index !== at))
    setOpen(isOpen.filter((_, index) => index !== at))
    const next = neighbourOf(at, sections.length - 1)
    if (next === undefined) requestAnimationFrame(() => document.getElementById(id)?.focus())
    else focusOn('summary', next)
  }
  return (
    <fieldset ref={box} className={styles['many']} aria-describedby={describedBy(id, field.hint, faults)}>
      <legend>{t(field.label)}</legend>
      {sections.map((section, index) => (
        <details key={index} data-section className={styles['section']} open={isOpen[index] === true} onToggle={(event) => fold(index, event.currentTarget.open)}>
          <summary>
            {section.name || t('setup.lookup.newSection')} <span className={styles['hint']}>{t('setup.lookup.count', { count: section.entries.length })}</span>
          </summary>
          {isOpen[index] === true ? (
            <>
              <div className={styles['fields']}>
                <Labelled id={`${id}-${index}-name`} label={t('setup.lookup.section')}>
                  {(attributes) => <input {...attributes} type="text" value={section.name} autoComplete="off" spellCheck={false} onChange={(event) => change(index, { ...section, name: event.target.value })} />}
                </Labelled>
              </div>
              <RowsInput
                id={`${id}-${index}`}
                tenant={tenant}
                field={VALUES}
                legend={t('setup.lookup.valuesOf', { section: section.name || t('setup.lookup.newSection') })}
                rows={section.entries}
                faults={[]}
                onChange={(entries) => change(index, { ...section, entries })}
              />
              <div>
                <Button onClick={() => remove(index)}>{t('setup.removeOne', { name: section.name || t('setup.lookup.newSection') })}</Button>
              </div>
            </>
          ) : null}
        </details>
      ))}
      <div>
        <button id={id} type="button" className={styles['addRow']} onClick={add}>
          + {t('setup.lookup.addSection')}
        </button>
      </div>
      <HintOf id={id} hint={field.hint} />
      <FaultsOf id={id} faults={faults} />
    </fieldset>
  )
}
