import { useQueryClient } from '@tanstack/react-query'
import { useState, type ReactElement } from 'react'
import { importPeople, type Imported } from '../../api/agent-setup'
import { wordsOf } from './failures'
import { t } from '../../lib/i18n'
import { setupPaths } from '../../lib/paths'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { Notice } from '../../ui/Notice'
import { PageTitle } from '../../ui/PageTitle'
import { say } from '../../ui/toast'
import { forgetLists } from './use-change'
import styles from './ImportPeople.module.css'

export type ImportPeopleProps = { readonly tenant: string; readonly onDone: () => void }

/** A table on its way: what the server says of it before it is taken. */
type Table = { readonly name: string; readonly text: string; readonly checked: Imported | undefined; readonly fault: string }

const COLUMNS = 'user_name,first_name,last_name,email,password,privileges,disabled,agent_id,login_code,pin,place,wrap_up_s,skills'

/** People from a table: every faulty line is named, and nothing is taken before there is none. */
export function ImportPeople({ tenant, onDone }: ImportPeopleProps): ReactElement {
  const [table, setTable] = useState<Table>()
  const queries = useQueryClient()
  const check = async (name: string, text: string): Promise<void> => {
    setTable({ name, text, checked: undefined, fault: '' })
    const outcome = await importPeople(tenant, text, true)
    setTable({ name, text, ...resultOf(outcome) })
  }
  const take = async (of: Table): Promise<void> => {
    const outcome = await importPeople(tenant, of.text, false)
    if (outcome.kind !== 'ok' || outcome.value.faults.length > 0) return setTable({ ...of, ...resultOf(outcome) })
    say(t('setup.import.done', { count: outcome.value.changed }))
    await forgetLists(queries, tenant)
    onDone()
  }
  return (
    <>
      <PageTitle title={t('setup.import.title')} of={t('setup.people')} />
      <div className={styles['page']}>
        <p>{t('setup.import.how')}</p>
        <p>
          {t('setup.import.columns')} <code className={styles['columns']}>{COLUMNS}</code>
        </p>
        <p>
          <a href={setupPaths.people(tenant)} download="people.csv">
            {t('setup.import.template')}
          </a>
        </p>
        <Field id="import-file" label={t('setup.import.file')}>
          {(attributes) => (
            <input
              {...attributes}
              type="file"
              accept=".csv,text/csv"
              className={styles['file']}
              onChange={(event) => {
                const [file] = event.target.files ?? []
                if (file !== undefined) void file.text().then((text) => check(file.name, text))
                // The same file, corrected, is a change again.
                event.target.value = ''
              }}
            />
          )}
        </Field>
        <div role="status">{table !== undefined && table.checked === undefined && table.fault === '' ? t('setup.form.checking') : ''}</div>
        {table === undefined || table.fault === '' ? null : <Notice tone="bad" title={table.fault} />}
        {table?.checked === undefined ? null : <Checked name={table.name} checked={table.checked} onTake={() => void take(table)} />}
      </div>
    </>
  )
}

function resultOf(outcome: Awaited<ReturnType<typeof importPeople>>): Pick<Table, 'checked' | 'fault'> {
  if (outcome.kind === 'ok') return { checked: outcome.value, fault: '' }
  if (outcome.kind === 'failed') return { checked: undefined, fault: wordsOf(outcome.failure) }
  return { checked: undefined, fault: outcome.kind === 'faults' ? outcome.faults.map(({ rule }) => rule).join(' ') : t('setup.import.conflict') }
}

type CheckedProps = { readonly name: string; readonly checked: Imported; readonly onTake: () => void }

function Checked({ name, checked, onTake }: CheckedProps): ReactElement {
  if (checked.faults.length === 0) {
    return (
      <Notice tone="plain" title={t('setup.import.good', { name, rows: checked.rows, changed: checked.changed })}>
        <p>{t('setup.import.others')}</p>
        <p>{checked.changed === 0 ? t('setup.import.nothing') : <Button tone="main" onClick={onTake}>{t('setup.import.take')}</Button>}</p>
      </Notice>
    )
  }
  return (
    <>
      <Notice tone="bad" title={t('setup.import.faulty', { name, count: checked.faults.length })}>
        <p>{t('setup.import.correct')}</p>
      </Notice>
      <table className={styles['faults']}>
        <caption className="visually-hidden">{t('setup.import.faults')}</caption>
        <thead>
          <tr>
            {[t('setup.import.line'), t('setup.import.column'), t('setup.import.rule')].map((word) => (
              <th key={word} scope="col">
                {word}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {checked.faults.map(({ line, column, rule }) => (
            <tr key={`${line} ${column} ${rule}`}>
              <td>{line === 0 ? '–' : line}</td>
              <td>{column === '' ? '–' : column}</td>
              <td>{rule}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  )
}
