import { Link } from '@tanstack/react-router'
import type { ReactElement } from 'react'
import type { Use } from '../../api/agent-setup'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { wordsOf } from './failures'
import { nameOfField } from './field-names'
import { failureIn, useUses } from './queries'
import { sectionOf } from './sections'
import { nameOfObject } from './words'
import styles from './Panels.module.css'

export type UsesProps = { readonly tenant: string; readonly kind: string; readonly id: string }

/** What refers to an object, and where; and which applications name it. */
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
  const [named, referring] = [data.filter((use) => use.is_named), data.filter((use) => !use.is_named)]
  return (
    <>
      {referring.length === 0 ? (
        <p className={styles['quiet']}>{t('setup.uses.none')}</p>
      ) : (
        <>
          <p>{referring.length >= SHOWN_MOST ? t('setup.uses.most', { count: SHOWN_MOST }) : t('setup.uses.some', { count: referring.length })}</p>
          <UseList uses={referring} />
        </>
      )}
      {named.length === 0 ? null : (
        <>
          <p>{t('setup.uses.named')}</p>
          <UseList uses={named} />
        </>
      )}
      {IN_APPLICATIONS.has(kind) ? <p className={styles['quiet']}>{t('setup.uses.notSeen')}</p> : null}
    </>
  )
}

/** The server tells no more. */
const SHOWN_MOST = 1_000
/** Kinds of which applications name some, or make the name while they run. */
const IN_APPLICATIONS: ReadonlySet<string> = new Set(['prompt', 'dn', 'number', 'list', 'schedule', 'skill', 'agent_group', 'business_attribute'])

function UseList({ uses }: { readonly uses: readonly Use[] }): ReactElement {
  return (
    <ul className={styles['uses']}>
      {uses.map((use) => {
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
            <span className={styles['quiet']}>{use.field === '' ? '' : use.is_named ? use.field : nameOfField(use.kind, use.field)}</span>
          </li>
        )
      })}
    </ul>
  )
}
