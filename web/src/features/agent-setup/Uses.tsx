import { Link } from '@tanstack/react-router'
import type { ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { wordsOf } from './failures'
import { nameOfField } from './field-names'
import { failureIn, useUses } from './queries'
import { sectionOf } from './sections'
import { nameOfObject } from './words'
import styles from './Panels.module.css'

export type UsesProps = { readonly tenant: string; readonly kind: string; readonly id: string }

/** What refers to an object, and where. */
export function Uses({ tenant, kind, id }: UsesProps): ReactElement {
  const { data, error, refetch } = useUses(tenant, kind, id)
  const failure = failureIn(error)
  if (failure !== undefined) {
    return (
      <>
        <p role="alert">{wordsOf(failure)}</p>
        <Button onClick={() => void refetch()}>{t('connection.retry')}</Button>
      </>
    )
  }
  if (data === undefined) return <p>{t('loading')}</p>
  if (data.length === 0) return <p className={styles['quiet']}>{t('setup.uses.none')}</p>
  return (
    <>
      <p>{t('setup.uses.some', { count: data.length })}</p>
      <ul className={styles['uses']}>
        {data.map((use) => {
          const section = sectionOf(use.kind)
          const name = nameOfObject(use.kind, use.id)
          return (
            <li key={`${use.kind} ${use.id} ${use.field}`}>
              {section === undefined ? (
                name
              ) : (
                <Link to="/agent-setup/$section/$id" params={{ section: section.path, id: use.id }}>
                  {name}
                </Link>
              )}{' '}
              <span className={styles['quiet']}>{use.field === '' ? '' : nameOfField(use.kind, use.field)}</span>
            </li>
          )
        })}
      </ul>
    </>
  )
}
