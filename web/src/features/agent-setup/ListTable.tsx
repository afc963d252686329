import { Link } from '@tanstack/react-router'
import type { ReactElement } from 'react'
import type { Stored } from '../../api/agent-setup'
import { t } from '../../lib/i18n'
import { at } from './document'
import { mayChange } from './may-make'
import type { Chosen } from './paging'
import type { Section } from './sections'
import { wordsOfValue } from './words'
import styles from './List.module.css'

export type ListTableProps = {
  readonly section: Section
  readonly items: readonly Stored[]
  readonly chosen: Chosen
  /** What is shown belongs to a filter that is no more: the next is on its way. */
  readonly isStale: boolean
  readonly onChoose: (stored: readonly Stored[], isOn: boolean) => void
}

export function ListTable({ section, items, chosen, isStale, onChoose }: ListTableProps): ReactElement {
  const isAll = items.every(({ id }) => chosen.has(id))
  // What is chosen is changed or deleted together.
  const isReader = !mayChange()
  return (
    <div className={`${styles['scroll']} ${isStale ? styles['stale'] : ''}`} tabIndex={0} role="region" aria-label={t(section.title)} aria-busy={isStale}>
      <table className={styles['table']}>
        <thead>
          <tr>
            {isReader ? null : (
              <th scope="col" className={styles['choose']}>
                <label>
                  <span className="visually-hidden">{t('setup.list.chooseAll')}</span>
                  <input type="checkbox" checked={isAll} disabled={isStale} onChange={(event) => onChoose(items, event.target.checked)} />
                </label>
              </th>
            )}
            <th scope="col">{t(section.idLabel)}</th>
            {section.columns.map(({ label, path, isFurther }) => (
              <th key={path} scope="col" className={isFurther === true ? styles['further'] : undefined}>
                {t(label)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {items.map((stored) => {
            const { id, object } = stored
            return (
              <tr key={id} data-object={id}>
                {isReader ? null : (
                  <td className={styles['choose']}>
                    <label>
                      <span className="visually-hidden">{t('setup.list.choose', { name: id })}</span>
                      <input type="checkbox" checked={chosen.has(id)} disabled={isStale} onChange={(event) => onChoose([stored], event.target.checked)} />
                    </label>
                  </td>
                )}
                <th scope="row">
                  <Link to="/agent-setup/$section/$id" params={{ section: section.path, id }}>
                    {id}
                  </Link>
                </th>
                {section.columns.map(({ path, options, isFurther }) => (
                  <td key={path} className={isFurther === true ? styles['further'] : undefined}>
                    {wordsOfValue(at(object, path), options)}
                  </td>
                ))}
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}
