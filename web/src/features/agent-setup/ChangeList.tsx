import { useState, type ReactElement } from 'react'
import type { Change } from '../../api/agent-setup'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { nameOfField, shownDifferences, wordsOfDifference } from './field-names'
import { nameOfObject, NOTHING } from './words'
import styles from './ChangeList.module.css'

/** More than most read one by one. */
const SHOWN = 50
/** So many more at a press. */
const FURTHER = 500

export type ChangeListProps = {
  readonly changes: readonly Change[]
  /** Names of fields whose secret is replaced. */
  readonly secrets?: readonly string[]
  /** Names of fields whose secret is removed. */
  readonly removed?: readonly string[] | undefined
}

/** What is different, object by object: field, before, after. */
export function ChangeList({ changes, secrets = [], removed = [] }: ChangeListProps): ReactElement {
  const [most, setMost] = useState(SHOWN)
  return (
    <>
      {changes.slice(0, most).map((change) => (
        <section key={`${change.kind} ${change.id}`} className={styles['change']}>
          <h3>
            {nameOfObject(change.kind, change.id)} <span className={styles['what']}>{whatOf(change)}</span>
          </h3>
          <Differences change={change} secrets={secrets} removed={removed} />
        </section>
      ))}
      {changes.length > most ? (
        <p>
          {t('setup.review.more', { count: changes.length - most })} <Button onClick={() => setMost(most + FURTHER)}>{t('setup.more')}</Button>
        </p>
      ) : null}
    </>
  )
}

function whatOf({ before, after }: Change): string {
  if (before === null && after === null) return t('setup.review.changed')
  if (before === null) return t('setup.review.created')
  return after === null ? t('setup.review.deleted') : t('setup.review.changed')
}

type DifferencesProps = { readonly change: Change; readonly secrets: readonly string[]; readonly removed?: readonly string[] }

export function Differences({ change, secrets, removed = [] }: DifferencesProps): ReactElement {
  const found = shownDifferences(change).map((difference) => ({ path: difference.path, words: wordsOfDifference(change.kind, difference) }))
  const hidden = [...secrets.map((name) => [name, t('setup.review.secretNew')] as const), ...removed.map((name) => [name, NOTHING] as const)]
  if (change.before === null && change.after === null) return <p>{t('setup.review.tooLarge')}</p>
  if (found.length === 0 && hidden.length === 0) return <p>{t('setup.review.nothing')}</p>
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
        {found.map(({ path, words: [before, after] }) => (
          <tr key={path}>
            <th scope="row">{nameOfField(change.kind, path)}</th>
            <td className={before === NOTHING ? undefined : styles['before']}>{before}</td>
            <td className={styles['after']}>{after}</td>
          </tr>
        ))}
        {hidden.map(([name, after]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            {change.before === null ? <td>{NOTHING}</td> : <td className={styles['before']}>{t('setup.review.secret')}</td>}
            <td className={styles['after']}>{after}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
