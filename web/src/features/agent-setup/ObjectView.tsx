import { Link } from '@tanstack/react-router'
import { useCallback, useRef, useState, type ReactElement, type ReactNode } from 'react'
import type { Stored } from '../../api/agent-setup'
import { t } from '../../lib/i18n'
import { Button, buttonClass } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Notice } from '../../ui/Notice'
import { PageTitle } from '../../ui/PageTitle'
import { Editor, type Saved } from './Editor'
import { adviceOf, wordsOf } from './failures'
import { History } from './History'
import { PromptAudio } from './PromptAudio'
import { failureIn, useHistory, useStored } from './queries'
import { titleOf, type Section } from './sections'
import { Uses } from './Uses'
import panels from './Panels.module.css'
import styles from './ObjectView.module.css'

export type ObjectViewProps = {
  readonly tenant: string
  readonly section: Section
  readonly id: string
  readonly onSaved: (saved: Saved) => void
  readonly onDirty: (isDirty: boolean) => void
}

/** One object: its form, what uses it, what it was before. */
export function ObjectView({ tenant, section, id, onSaved, onDirty }: ObjectViewProps): ReactElement {
  const { data, error, refetch } = useStored(tenant, section.kind, id)
  /** What the form began anew with. */
  const [shown, setShown] = useState<Stored>()
  const [restored, setRestored] = useState<Stored>()
  /** As it was saved here, or read again. */
  const [seen, setSeen] = useState<Stored>()
  const [isAsking, setAsking] = useState(false)
  const isDirty = useRef(false)
  const noteDirty = useCallback(
    (is: boolean) => {
      isDirty.current = is
      onDirty(is)
    },
    [onDirty],
  )
  const failure = failureIn(error)
  const stored = shown ?? data
  const onRestored = (now: Stored): void => {
    setRestored(now)
    if (isDirty.current) setAsking(true)
    else setShown(now)
  }
  const history = (
    <section className={panels['panel']}>
      <h2>{t('setup.history.title')}</h2>
      <History tenant={tenant} kind={section.kind} id={id} present={latestOf([data, restored, seen])} onRestored={onRestored} onRead={setSeen} />
    </section>
  )
  return (
    <>
      <PageTitle title={titleOf(section, id)} of={section.only === undefined ? t(section.title) : t('apps.agentSetup')} />
      {stored === undefined && failure !== undefined ? (
        <Notice tone="bad" title={failure.kind === 'not-found' ? t('setup.gone.title', { id }) : wordsOf(failure)}>
          {failure.kind === 'not-found' ? <Gone tenant={tenant} kind={section.kind} id={id} /> : <p>{adviceOf(failure)}</p>}
          {failure.kind === 'not-found' ? null : <Button onClick={() => void refetch()}>{t('connection.retry')}</Button>}
        </Notice>
      ) : null}
      {stored === undefined && failure?.kind === 'not-found' ? history : null}
      {stored === undefined && failure === undefined ? <p>{t('loading')}</p> : null}
      {stored === undefined ? null : (
        <div className={styles['columns']}>
          <Editor
            key={`${stored.id} ${shown?.revision ?? ''}`}
            tenant={tenant}
            section={section}
            stored={stored}
            onDirty={noteDirty}
            onSaved={(done) => {
              setSeen(done.stored)
              onSaved(done)
            }}
          />
          <aside className={styles['beside']} aria-label={t('setup.beside')}>
            {section.kind === 'prompt' ? <PromptAudio tenant={tenant} prompt={latestOf([stored, data, restored, seen]) ?? stored} onChanged={onRestored} /> : null}
            {section.only === undefined ? (
              <Folded title={t('setup.uses.title')}>
                <Uses tenant={tenant} kind={section.kind} id={id} />
              </Folded>
            ) : null}
            {section.kind === 'person' ? (
              <Link to="/agent-setup/sign-ins" search={{ person: id }} className={buttonClass()}>
                {t('setup.signIns.of')}
              </Link>
            ) : null}
            {history}
          </aside>
        </div>
      )}
      {isAsking ? (
        <DropTyped
          onKeep={() => setAsking(false)}
          onDrop={() => {
            setAsking(false)
            setShown(restored)
          }}
        />
      ) : null}
    </>
  )
}

type GoneProps = { readonly tenant: string; readonly kind: string; readonly id: string }

/** What is said of an object that is not there; of a way back only where something is noted of it. */
export function Gone({ tenant, kind, id }: GoneProps): ReactElement {
  const isNoted = useHistory(tenant, kind, id).data?.pages.some(({ items }) => items.length > 0) === true
  return (
    <p>
      {t('setup.gone.what')} {isNoted ? t('setup.gone.noted') : null}
    </p>
  )
}

function latestOf(known: readonly (Stored | undefined)[]): Stored | undefined {
  return known.reduce((newest, one) => (one !== undefined && (newest === undefined || one.revision > newest.revision) ? one : newest), undefined)
}

type FoldedProps = { readonly title: string; readonly children: ReactNode }

/** A panel whose content is costly: it is asked for by whoever unfolds it. */
function Folded({ title, children }: FoldedProps): ReactElement {
  const [isOpen, setOpen] = useState(false)
  return (
    <details className={panels['panel']} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <h2>{title}</h2>
      </summary>
      {isOpen ? children : null}
    </details>
  )
}

type DropTypedProps = { readonly onKeep: () => void; readonly onDrop: () => void }

/** Before what was restored takes the place of what is typed. */
function DropTyped({ onKeep, onDrop }: DropTypedProps): ReactElement {
  return (
    <Dialog
      title={t('setup.restored.title')}
      onClose={onKeep}
      actions={
        <>
          <Button tone="main" onClick={onKeep}>
            {t('setup.restored.keep')}
          </Button>
          <Button tone="danger" onClick={onDrop}>
            {t('setup.restored.drop')}
          </Button>
        </>
      }
    >
      <p>{t('setup.restored.what')}</p>
    </Dialog>
  )
}
