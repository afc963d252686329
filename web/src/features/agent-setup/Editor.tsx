import { Link } from '@tanstack/react-router'
import { useEffect, useLayoutEffect, useMemo, useRef, useState, type FormEvent, type ReactElement } from 'react'
import type { Changed, JsonObject, Stored } from '../../api/agent-setup'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { useShortcut } from '../../ui/use-shortcut'
import { isDeletion, isTaken, mayPropose, type Proposal } from './change-flow'
import { ConflictDialog } from './ConflictDialog'
import { isSame } from './document'
import { creation, deletion, rebased, update } from './edits'
import { adviceOf, wordsOf } from './failures'
import { isEmpty, ownFaults, serverFaults, type FieldFaults } from './faults'
import { textIn, type Draft } from './fields'
import { toDraft, toObject } from './form'
import { formOf } from './forms'
import { mayChange } from './may-make'
import { ObjectForm } from './ObjectForm'
import { Review } from './Review'
import { newSecrets, onlySecrets, removedSecrets } from './secrets'
import type { Section } from './sections'
import { useChange } from './use-change'
import styles from './Form.module.css'

export type Saved = { readonly what: 'created' | 'changed' | 'deleted'; readonly id: string; readonly stored: Stored | undefined }

export type EditorProps = {
  readonly tenant: string
  readonly section: Section
  /** What is edited; null makes a new one. */
  readonly stored: Stored | null
  /** What a new one begins with. */
  readonly begin?: JsonObject
  readonly onSaved: (saved: Saved) => void
  readonly onDirty: (isDirty: boolean) => void
}

const NO_FAULTS: FieldFaults = {}

/** The form of an object, from the first key to the confirmed change. */
export function Editor({ tenant, section, stored, begin = {}, onSaved, onDirty }: EditorProps): ReactElement {
  const [base, setBase] = useState(stored)
  const [draft, setDraft] = useState(() => toDraft(formOf(section), stored?.object ?? begin))
  const [own, setOwn] = useState(NO_FAULTS)
  const [isUnchanged, setUnchanged] = useState(false)
  const { flow, propose, confirm, cancel } = useChange(tenant)
  const isChecking = flow.kind === 'checking'
  const form = useKeptFocus(isChecking)
  const isNew = base === null
  const isReader = !mayChange()
  const id = base?.id ?? textIn(draft, section.id).trim()
  const isDirty = useMemo(() => !isSame(draft, toDraft(formOf(section), base?.object ?? begin)), [draft, base, begin, section])
  useEffect(() => onDirty(isDirty), [isDirty, onDirty])
  useEffect(() => {
    if (stored !== null) return
    // After the frame, which puts whoever comes to the content; who is elsewhere by then stays there.
    const frame = requestAnimationFrame(() => {
      if (document.activeElement?.contains(form.current) === true) form.current?.querySelector<HTMLElement>(':is(input, select, textarea)')?.focus({ preventScroll: true })
    })
    return () => cancelAnimationFrame(frame)
  }, [])
  const isThere = isTaken(flow)
  const faults = useMemo(() => {
    if (isThere) return { [section.id]: [t('setup.fault.taken')] }
    return flow.kind === 'faulty' ? serverFaults(formOf(section), draft, id, flow.faults) : own
  }, [flow, isThere, own, section])

  const submit = (from: Stored | null, of: Draft): void => {
    const found = ownFaults(formOf(section), of, from === null)
    setOwn(found)
    setUnchanged(false)
    cancel()
    if (!isEmpty(found)) return
    const object = toObject(formOf(section), of, from?.object ?? null)
    const removed = from === null ? [] : removedSecrets(formOf(section), of)
    const edit = from === null ? creation(section.kind, textIn(of, section.id).trim(), object) : update(section.kind, from, object, removed.map(({ path }) => path))
    if (edit === undefined) return setUnchanged(true)
    propose([edit], { secrets: newSecrets(formOf(section), of).map(({ label }) => t(label)), removed: removed.map(({ label }) => t(label)) })
  }
  const review = (): void => {
    if (mayPropose(flow) || isThere) submit(base, draft)
  }
  useShortcut(isReader ? '' : 'Ctrl+Enter', t('setup.form.review'), review)

  const take = (proposal: Proposal, changed: Changed): void => {
    const change = changed.changes.find((one) => one.kind === section.kind && one.id === id)
    const isGone = isDeletion(proposal, { kind: section.kind, id })
    const now = isGone ? undefined : { id, revision: change?.revision ?? changed.revision, object: change?.after ?? toObject(formOf(section), draft, base?.object ?? null) }
    if (now !== undefined && base !== null) {
      setBase(now)
      setDraft(toDraft(formOf(section), now.object))
    }
    onDirty(false)
    onSaved({ id, stored: now, what: isGone ? 'deleted' : base === null ? 'created' : 'changed' })
    cancel()
  }
  useEffect(() => {
    if (flow.kind === 'done') take(flow.proposal, flow.changed)
  }, [flow])

  const keepMine = (theirs: Stored | undefined): void => {
    const mine = toObject(formOf(section), draft, base?.object ?? null)
    const next = theirs === undefined ? null : theirs
    const from = next === null ? draft : { ...toDraft(formOf(section), rebased(base?.object ?? {}, next.object, mine)), ...onlySecrets(formOf(section), draft) }
    setBase(next)
    setDraft(from)
    submit(next, from)
  }
  const takeTheirs = (theirs: Stored | undefined): void => {
    cancel()
    if (theirs === undefined) return onSaved({ id, stored: undefined, what: 'deleted' })
    setBase(theirs)
    setDraft(toDraft(formOf(section), theirs.object))
  }

  return (
    <form
      ref={form}
      aria-busy={isChecking}
      className={styles['form']}
      noValidate
      onSubmit={(event: FormEvent) => {
        event.preventDefault()
        if (!isReader) review()
      }}
    >
      <ObjectForm
        tenant={tenant}
        groups={formOf(section)}
        draft={draft}
        isNew={isNew}
        isFrozen={isChecking || isReader}
        faults={faults}
        wayOut={
          isThere && flow.kind === 'conflict' ? (
            <Link to="/agent-setup/$section/$id" params={{ section: section.path, id: flow.conflict.id }}>
              {t('setup.fault.takenOpen', { id: flow.conflict.id })}
            </Link>
          ) : null
        }
        onChange={(path, value) => setDraft((before) => ({ ...before, [path]: value }))}
      />
      {isReader ? null : (
        <div className={styles['actions']}>
          <Button type="submit" tone="main" title="Ctrl+Enter">
            {t('setup.form.review')}
          </Button>
          <span role="status">{isChecking ? t('setup.form.checking') : isUnchanged || flow.kind === 'same' ? t('setup.form.unchanged') : isDirty ? t('setup.form.dirty') : ''}</span>
          {flow.kind === 'failed' ? (
            <p role="alert">
              {wordsOf(flow.failure)} {adviceOf(flow.failure)}
            </p>
          ) : null}
          {base === null || section.only !== undefined ? null : (
            <span className={styles['last']}>
              <Button tone="danger" onClick={() => (mayPropose(flow) ? propose([deletion(section.kind, base)]) : undefined)}>
                {t('setup.form.delete')}
              </Button>
            </span>
          )}
        </div>
      )}
      {flow.kind === 'review' || flow.kind === 'applying' ? <Review tenant={tenant} flow={flow} onConfirm={confirm} onCancel={cancel} /> : null}
      {flow.kind === 'conflict' && !isThere ? (
        <ConflictDialog tenant={tenant} kind={section.kind} id={id} base={base} mine={toObject(formOf(section), draft, base?.object ?? null)} onKeepMine={keepMine} onTakeTheirs={takeTheirs} onClose={cancel} />
      ) : null}
    </form>
  )
}

/** Gives the focus back to where it was before the fields were frozen: what is disabled loses it. */
function useKeptFocus(isFrozen: boolean): React.RefObject<HTMLFormElement | null> {
  const form = useRef<HTMLFormElement>(null)
  const held = useRef<EventTarget | null>(null)
  useEffect(() => {
    const fields = form.current
    // Noted as it comes: the browser may have taken it from a frozen field before an effect can see where it was.
    const note = (event: FocusEvent): void => void (held.current = event.target)
    fields?.addEventListener('focusin', note)
    return () => fields?.removeEventListener('focusin', note)
  }, [])
  useLayoutEffect(() => {
    if (!isFrozen && document.activeElement === document.body && held.current instanceof HTMLElement) held.current.focus({ preventScroll: true })
  }, [isFrozen])
  return form
}
