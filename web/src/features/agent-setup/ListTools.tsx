import { useEffect, useRef, useState, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { useShortcut } from '../../ui/use-shortcut'
import type { ListFilter } from './queries'
import { ReferenceInput } from './ReferenceInput'
import { boxOf, isSameWords, synced, type Words } from './search-box'
import styles from './List.module.css'

/** Whoever types goes on typing; the list follows. */
const PAUSE_MS = 250

export type ListToolsProps = { readonly tenant: string; readonly isPeople: boolean; readonly filter: ListFilter; readonly onFilter: (filter: ListFilter) => void }

/** What of a list is looked at. */
export function ListTools({ tenant, isPeople, filter, onFilter }: ListToolsProps): ReactElement {
  const [kept, setBox] = useState(() => boxOf(filter))
  const box = synced(kept, filter)
  if (box !== kept) setBox(box)
  const { typed } = box
  const setTyped = (words: Words): void => setBox((before) => ({ ...before, typed: words }))
  const search = useRef<HTMLInputElement>(null)
  const latest = useRef({ filter, onFilter })
  useEffect(() => {
    latest.current = { filter, onFilter }
  })
  useShortcut('/', t('setup.list.search'), () => search.current?.focus())
  useEffect(() => {
    const { filter: now, onFilter: tell } = latest.current
    if (isSameWords(typed, now)) return
    const timer = setTimeout(() => {
      setBox((before) => ({ ...before, told: typed }))
      tell({ ...latest.current.filter, ...typed })
    }, PAUSE_MS)
    return () => clearTimeout(timer)
  }, [typed])
  return (
    <div role="search" className={styles['filters']}>
      <label className={styles['filter']}>
        {t('setup.list.search')}
        <input ref={search} type="search" value={typed.q} autoComplete="off" spellCheck={false} onChange={(event) => setTyped({ ...typed, q: event.target.value })} />
      </label>
      {isPeople ? (
        <>
          <label className={styles['filter']}>
            {t('setup.skill')}
            <ReferenceInput tenant={tenant} of="skill" value={typed.skill} attributes={{}} onChange={(skill) => setTyped({ ...typed, skill })} />
          </label>
          <label className={styles['filter']}>
            {t('setup.list.who')}
            <select
              value={filter.disabled}
              onChange={(event) => {
                setBox((before) => ({ ...before, told: typed }))
                onFilter({ ...filter, ...typed, disabled: event.target.value })
              }}
            >
              <option value="">{t('setup.list.everybody')}</option>
              <option value="false">{t('setup.list.enabled')}</option>
              <option value="true">{t('setup.list.disabled')}</option>
            </select>
          </label>
        </>
      ) : null}
    </div>
  )
}
