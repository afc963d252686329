/** The pages of Agent Setup about one object, its past, or a table: loaded when one is opened. */

import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { useCallback, useMemo, type ReactElement } from 'react'
import { DialRules } from '../../features/agent-setup/DialRules'
import { Editor, type Saved } from '../../features/agent-setup/Editor'
import { History } from '../../features/agent-setup/History'
import { ImportPeople } from '../../features/agent-setup/ImportPeople'
import { useLeaving } from '../../features/agent-setup/leaving'
import { mayChange } from '../../features/agent-setup/may-make'
import { ObjectView } from '../../features/agent-setup/ObjectView'
import { sectionAt, titleOf, type Section } from '../../features/agent-setup/sections'
import { t } from '../../lib/i18n'
import { PageTitle } from '../../ui/PageTitle'
import { say } from '../../ui/toast'
import { UnknownPage } from '../shell/Shell'
import { useTenant } from './tenant'

const objectRoute = getRouteApi('/agent-setup/$section/$id')

export function ObjectPage(): ReactElement {
  const tenant = useTenant()
  const { section: path, id } = objectRoute.useParams()
  const { onDirty, leave } = useLeaving()
  const onSaved = useSaved(path, false)
  const section = sectionAt(path)
  if (section === undefined) return <UnknownPage />
  return (
    <>
      <ObjectView key={`${path} ${id}`} tenant={tenant} section={section} id={id} onSaved={onSaved} onDirty={onDirty} />
      {leave}
    </>
  )
}

const newRoute = getRouteApi('/agent-setup/new/$section')

export function NewPage(): ReactElement {
  const { section: path } = newRoute.useParams()
  const section = sectionAt(path)
  return section === undefined || section.only !== undefined || !mayChange() ? <UnknownPage /> : <New key={path} section={section} />
}

function New({ section }: { readonly section: Section }): ReactElement {
  const tenant = useTenant()
  const { type, place = '' } = newRoute.useSearch()
  const { onDirty, leave } = useLeaving()
  const onSaved = useSaved(section.path, true)
  const begin = useMemo(() => ({ ...(type === undefined ? {} : { type }), ...(/^[0-9]+$/.test(place) ? { place: Number(place) } : {}) }), [type, place])
  return (
    <>
      <PageTitle title={t(section.add)} of={t(section.title)} />
      <Editor tenant={tenant} section={section} stored={null} begin={begin} onSaved={onSaved} onDirty={onDirty} />
      {leave}
    </>
  )
}

export function DialRulesPage(): ReactElement {
  const { onDirty, leave } = useLeaving()
  const tenant = useTenant()
  const section = sectionAt('dial-rules')
  if (section === undefined) return <UnknownPage />
  return (
    <>
      <DialRules tenant={tenant} section={section} onDirty={onDirty} />
      {leave}
    </>
  )
}

/** What holds for the tenant as a whole: the one object of its section. */
export function TenantPage(): ReactElement {
  const tenant = useTenant()
  const { onDirty, leave } = useLeaving()
  const onSaved = useSaved('tenant', false)
  const section = sectionAt('tenant')
  if (section?.only === undefined) return <UnknownPage />
  return (
    <>
      <ObjectView tenant={tenant} section={section} id={section.only} onSaved={onSaved} onDirty={onDirty} />
      {leave}
    </>
  )
}

export function ImportPage(): ReactElement {
  const navigate = useNavigate()
  const tenant = useTenant()
  if (!mayChange()) return <UnknownPage />
  return <ImportPeople tenant={tenant} onDone={() => void navigate({ to: '/agent-setup/$section', params: { section: 'people' } })} />
}

export function HistoryPage(): ReactElement {
  return (
    <>
      <PageTitle title={t('setup.history.all')} of={t('apps.agentSetup')} />
      <History tenant={useTenant()} kind="" id="" />
    </>
  )
}

/** Says what was saved, and goes to where it now is. */
function useSaved(path: string, isNew: boolean): (saved: Saved) => void {
  const navigate = useNavigate()
  return useCallback(
    ({ what, id: saved }) => {
      const section = sectionAt(path)
      const id = section === undefined ? saved : titleOf(section, saved)
      const words = what === 'created' ? t('setup.saved.created', { id }) : what === 'deleted' ? t('setup.saved.deleted', { id }) : t('setup.saved.changed', { id })
      const go = async (): Promise<void> => {
        if (what === 'deleted') await navigate({ to: '/agent-setup/$section', params: { section: path } })
        else if (isNew) await navigate({ to: '/agent-setup/$section/$id', params: { section: path, id: saved } })
        // After the page, whose change ends what was said before.
        setTimeout(() => say(words))
      }
      void go()
    },
    [navigate, path, isNew],
  )
}
