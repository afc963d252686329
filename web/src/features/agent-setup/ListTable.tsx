import { Link } from '@tanstack/react-router'
import type { ReactElement } from 'react'
import type { Stored } from '../../api/agent-setup'
import { t } from '../../lib/i18n'
import { at } from './document'
import type { Section } from './sections'
import { wordsOfValue } from './words'
import styles from './List.module.css'

export type ListTableProps = {
  readonly section: Section
  readonly items: readonly Stored[]
  /** The chosen ones; undefined where none can be chosen. */
  readonly chosen: ReadonlySet<string> | undefined
  readonly onChoose: (ids: readonly string[], isOn: boolean) => void
}

export function ListTable({ section, items, chosen, onChoose }: ListTableProps): ReactElement {
  const isAll = chosen !== undefined && items.every(({ id }) => chosen.has(id))
  return (
    <div className={styles['scroll']} tabIndex={0} role="region" aria-label={t(section.title)}>
      <table className={styles['table']}>
        <thead>
          <tr>
            {chosen === undefined ? null : (
              <th scope="col" className={styles['choose']}>
                <label>
                  <span className="visually-hidden">{t('setup.list.chooseAll')}</span>
                  <input type="checkbox" checked={isAll} onChange={(event) => onChoose(items.map(({ id }) => id), event.target.checked)} />
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
          {items.map(({ id, object }) => (
            <tr key={id} data-object={id}>
              {chosen === undefined ? null : (
                <td className={styles['choose']}>
                  <label>
                    <span className="visually-hidden">{t('setup.list.choose', { name: id })}</span>
                    <input type="checkbox" checked={chosen.has(id)} onChange={(event) => onChoose([id], event.target.checked)} />
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
          ))}
        </tbody>
      </table>
    </div>
  )
}
