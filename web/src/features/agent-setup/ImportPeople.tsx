import { useEffect, type ReactElement } from 'react'
import type { Imported, LineFault } from '../../api/agent-setup'
import { wordsOf } from './failures'
import { t } from '../../lib/i18n'
import { setupPaths } from '../../lib/paths'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { Notice } from '../../ui/Notice'
import { PageTitle } from '../../ui/PageTitle'
import { say } from '../../ui/toast'
import { ChangeList } from './ChangeList'
import { useUnderWay } from './leaving'
import { wordsOfFault, wordsOfRule } from './rules'
import { PASSWORDS_MAX, TABLE_BYTES_MAX } from './table-check'
import { isOutdated, type TableFlow, type Unfit } from './table-flow'
import { useTable } from './use-table'
import styles from './ImportPeople.module.css'

export type ImportPeopleProps = { readonly tenant: string; readonly onDone: () => void }

const COLUMNS = 'user_name,first_name,last_name,email,password,privileges,disabled,agent_id,login_code,pin,place,wrap_up_s,skills,external_id,change_password'

/** People from a table: every faulty line is named, and nothing is taken before there is none and the changes were shown. */
export function ImportPeople({ tenant, onDone }: ImportPeopleProps): ReactElement {
  const { flow, choose, take, checkAnew } = useTable(tenant)
  const leave = useUnderWay(flow.kind === 'taking')
  useEffect(() => {
    if (flow.kind !== 'done') return
    say(t('setup.import.done', { count: flow.found.changed }))
    onDone()
  }, [flow, onDone])
  return (
    <>
      <PageTitle title={t('setup.import.title')} of={t('setup.people')} />
      {leave}
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
              disabled={flow.kind === 'taking'}
              onClick={(event) => {
                // The same file, corrected, is a change again. Until then its name is shown.
                event.currentTarget.value = ''
              }}
              onChange={(event) => {
                const [file] = event.target.files ?? []
                if (file !== undefined) choose(file)
              }}
            />
          )}
        </Field>
        <p role="status">{statusOf(flow)}</p>
        {flow.kind === 'unfit' ? <Notice tone="bad" title={whyOf(flow.why)} /> : null}
        {flow.kind === 'checked' && flow.failure !== undefined ? (
          <Notice tone="bad" title={wordsOf(flow.failure)}>
            <p>{t('setup.review.again')}</p>
          </Notice>
        ) : null}
        {flow.kind !== 'checked' && flow.kind !== 'taking' ? null : flow.found.faults.length > 0 ? (
          <Faulty name={flow.table.file.name} found={flow.found} onCheckAnew={checkAnew} />
        ) : (
          <Good found={flow.found} isTaking={flow.kind === 'taking'} onTake={take} />
        )}
      </div>
    </>
  )
}

/** What goes on, and what came of the check. */
function statusOf(flow: TableFlow): string {
  if (flow.kind === 'checking') return t('setup.form.checking')
  if (flow.kind === 'taking') return t('setup.import.taking')
  if (flow.kind !== 'checked' || flow.found.faults.length > 0) return ''
  return t('setup.import.good', { name: flow.table.file.name, rows: flow.found.rows, changed: flow.found.changed })
}

function whyOf(why: Unfit): string {
  switch (why.kind) {
    case 'bytes':
      return t('setup.import.tooLarge', { most: TABLE_BYTES_MAX / 1024 / 1024 })
    case 'passwords':
      return t('setup.import.manyPasswords', { count: why.count, most: PASSWORDS_MAX })
    case 'conflict':
      return t('setup.import.conflict')
    case 'refused':
      return [...why.faults.map(wordsOfFault), ...(why.more === 0 ? [] : [t('setup.review.more', { count: why.more })])].join(' ')
    case 'failed':
      return wordsOf(why.failure)
  }
}

type GoodProps = { readonly found: Imported; readonly isTaking: boolean; readonly onTake: () => void }

function Good({ found: { changed, changes }, isTaking, onTake }: GoodProps): ReactElement {
  if (changed === 0) return <p>{t('setup.import.nothing')}</p>
  return (
    <>
      <p>{t('setup.import.others')}</p>
      <p>
        <Button tone="main" onClick={onTake}>
          {isTaking ? t('setup.import.taking') : t('setup.import.take')}
        </Button>
      </p>
      <ChangeList changes={changes} />
      {changed > changes.length ? <p>{t('setup.review.more', { count: changed - changes.length })}</p> : null}
    </>
  )
}

type FaultyProps = { readonly name: string; readonly found: Imported; readonly onCheckAnew: () => void }

/** What is wrong with a table, line by line. */
export function Faulty({ name, found, onCheckAnew }: FaultyProps): ReactElement {
  const { faults, more_faults: more = 0 } = found
  const count = faults.length + more
  return (
    <>
      {isOutdated(found) ? (
        <Notice tone="bad" title={t('setup.import.outdated')}>
          <p>{t('setup.import.outdatedWhat')}</p>
          <p>
            <Button tone="main" onClick={onCheckAnew}>
              {t('setup.import.checkAnew')}
            </Button>
          </p>
        </Notice>
      ) : (
        <Notice tone="bad" title={t('setup.import.faulty', { name, count })}>
          <p>{t('setup.import.correct')}</p>
        </Notice>
      )}
      {more === 0 ? null : <p>{t('setup.import.faultsOf', { shown: faults.length, count })}</p>}
      <FaultTable faults={faults} />
    </>
  )
}

function FaultTable({ faults }: { readonly faults: readonly LineFault[] }): ReactElement {
  return (
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
        {faults.map((fault) => (
          <tr key={`${fault.line} ${fault.column} ${fault.rule}`}>
            <td>{fault.line === 0 ? '–' : fault.line}</td>
            <td>{fault.column === '' ? '–' : fault.column}</td>
            <td>{wordsOfRule(fault, 'person')}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
