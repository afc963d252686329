import type { ReactElement } from 'react'
import type { Change } from '../../api/agent-setup'
import { t } from '../../lib/i18n'
import { nameOfField, optionsOfField } from './field-names'
import { differences } from './document'
import { nameOfObject, NOTHING, wordsOfValue } from './words'
import styles from './ChangeList.module.css'

/** More than anybody reads one by one. */
const SHOWN = 50

export type ChangeListProps = {
  readonly changes: readonly Change[]
  /** Names of fields whose secret is replaced. */
  readonly secrets?: readonly string[]
}

/** What is different, object by object: field, before, after. */
export function ChangeList({ changes, secrets = [] }: ChangeListProps): ReactElement {
  return (
    <>
      {changes.slice(0, SHOWN).map((change) => (
        <section key={`${change.kind} ${change.id}`} className={styles['change']}>
          <h3>
            {nameOfObject(change.kind, change.id)} <span className={styles['what']}>{whatOf(change)}</span>
          </h3>
          <Differences change={change} secrets={secrets} />
        </section>
      ))}
      {changes.length > SHOWN ? <p>{t('setup.review.more', { count: changes.length - SHOWN })}</p> : null}
    </>
  )
}

function whatOf({ before, after }: Change): string {
  if (before === null && after === null) return t('setup.review.changed')
  if (before === null) return t('setup.review.created')
  return after === null ? t('setup.review.deleted') : t('setup.review.changed')
}

type DifferencesProps = { readonly change: Change; readonly secrets: readonly string[] }

export function Differences({ change, secrets }: DifferencesProps): ReactElement {
  const found = differences(change.before, change.after).filter(({ before, after }) => wordsOfValue(before) !== wordsOfValue(after))
  if (change.before === null && change.after === null) return <p>{t('setup.review.tooLarge')}</p>
  if (found.length === 0 && secrets.length === 0) return <p>{t('setup.review.nothing')}</p>
  return (
    <table className={styles['table']}>
      <thead>
        <tr>
          <th scope="col">{t('setup.review.field')}</th>
          <th scope="col">{t('setup.review.before')}</th>
          <th scope="col">{t('setup.review.after')}</th>
        </tr>
      </thead>
      <tbody>
        {found.map(({ path, before, after }) => (
          <tr key={path}>
            <th scope="row">{nameOfField(change.kind, path)}</th>
            <td className={wordsOfValue(before) === NOTHING ? undefined : styles['before']}>{wordsOfValue(before, optionsOfField(change.kind, path))}</td>
            <td className={styles['after']}>{wordsOfValue(after, optionsOfField(change.kind, path))}</td>
          </tr>
        ))}
        {secrets.map((name) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td className={styles['before']}>{t('setup.review.secret')}</td>
            <td className={styles['after']}>{t('setup.review.secretNew')}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
