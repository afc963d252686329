import { Link, useNavigate } from '@tanstack/react-router'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState, type ReactElement, type RefObject } from 'react'
import type { Stored } from '../../api/agent-setup'
import { t } from '../../lib/i18n'
import { Button, buttonClass } from '../../ui/Button'
import { Notice } from '../../ui/Notice'
import { PageTitle } from '../../ui/PageTitle'
import { say } from '../../ui/toast'
import { useShortcut } from '../../ui/use-shortcut'
import { BATCH } from './batches'
import { mayPropose, type Flow } from './change-flow'
import { at } from './document'
import { adviceOf, wordsOf } from './failures'
import { nameOfField, wordsOfField } from './field-names'
import { shownFields } from './fields'
import { toDraft } from './form'
import { DIAL_RULE } from './kinds/dial-rule'
import { mayChange, mayMake } from './may-make'
import { inOrder, moved, nextPlace, ordered, placed } from './order'
import { allObjects, failureIn, valueOf } from './queries'
import { Review } from './Review'
import { wordsOfFault } from './rules'
import type { Section } from './sections'
import { forgetLists, useChange } from './use-change'
import { nameOfObject, NOTHING } from './words'
import styles from './List.module.css'
import own from './DialRules.module.css'

export type DialRulesProps = { readonly tenant: string; readonly section: Section; readonly onDirty: (isDirty: boolean) => void }

const EVERYTHING = { q: '', skill: '', disabled: '' }
const NONE: readonly Stored[] = []

/** The rules about numbers as they apply, one after the other; their order is changed here, and shown before it is saved. */
export function DialRules({ tenant, section, onDirty }: DialRulesProps): ReactElement {
  const navigate = useNavigate()
  const queries = useQueryClient()
  const { data, error, refetch } = useQuery({
    queryKey: ['agent-setup', tenant, 'list', section.path],
    queryFn: async () => inOrder(valueOf(await allObjects(tenant, { ...section, columns: COLUMNS }, EVERYTHING))),
    refetchOnWindowFocus: false,
  })
  /** The order that somebody has made; undefined as long as nobody has. */
  const [names, setNames] = useState<readonly string[]>()
  const [told, setTold] = useState('')
  const { flow, propose, confirm, cancel } = useChange(tenant)
  const list = useRef<HTMLDivElement>(null)
  const rules = data === undefined ? NONE : names === undefined ? data : ordered(data, names)
  const edits = names === undefined ? [] : placed(rules)
  const isDirty = edits.length > 0
  useEffect(() => onDirty(isDirty), [isDirty, onDirty])
  // The buttons below the list go when nothing is left to be saved, and the focus with them.
  const wasDirty = useRef(false)
  useEffect(() => {
    if (wasDirty.current && !isDirty && document.activeElement === document.body) list.current?.focus()
    wasDirty.current = isDirty
  }, [isDirty])
  const add = { section: section.path }
  // As long as the rules are not there nobody knows which place is behind them: then the form asks for it.
  const place = data === undefined ? {} : { place: String(nextPlace(rules)) }
  const mayAdd = mayMake(section.kind)
  useShortcut(mayAdd ? 'n' : '', t(section.add), () => void navigate({ to: '/agent-setup/new/$section', params: add, search: place }))
  useEffect(() => {
    if (flow.kind !== 'done') return
    onDirty(false)
    cancel()
    void forgetLists(queries, tenant).then(() => {
      setNames(undefined)
      setTold('')
      say(t('setup.dialRules.saved'))
    })
  }, [flow, cancel, queries, tenant, onDirty])
  const review = (): void => {
    if (isDirty && mayPropose(flow)) propose(edits)
    else if (flow.kind === 'conflict') propose(edits)
  }
  const move = (name: string, by: number): void => {
    // What is being checked or looked at is not changed under it.
    if (flow.kind === 'checking' || flow.kind === 'review' || flow.kind === 'applying') return
    const next = moved(rules.map(({ id }) => id), name, by)
    cancel()
    setNames(next)
    setTold(t('setup.dialRules.moved', { name, place: next.indexOf(name) + 1, count: next.length }))
  }
  const failure = failureIn(error)
  return (
    <>
      <PageTitle title={t(section.title)} of={t('apps.agentSetup')} />
      <div className={styles['tools']}>
        <p>{t('setup.dialRules.about')}</p>
        {mayAdd ? (
          <Link to="/agent-setup/new/$section" params={add} search={place} className={buttonClass('main')}>
            {t(section.add)}
          </Link>
        ) : null}
      </div>
      {failure === undefined ? null : (
        <Notice tone="bad" title={wordsOf(failure)}>
          <p>{adviceOf(failure)}</p>
          <Button onClick={() => void refetch()}>{t('connection.retry')}</Button>
        </Notice>
      )}
      {data === undefined ? failure === undefined ? <p>{t('loading')}</p> : null : rules.length === 0 ? <p className={styles['empty']}>{t('setup.list.nothing', { what: t(section.title) })}</p> : <Rules section={section} list={list} rules={rules} onMove={move} />}
      <p role="status">{told}</p>
      {isDirty ? (
        <div className={styles['foot']}>
          <Button tone="main" onClick={review}>
            {t('setup.dialRules.review')}
          </Button>
          <Button
            onClick={() => {
              cancel()
              setNames(undefined)
              setTold('')
            }}
          >
            {t('setup.dialRules.reset')}
          </Button>
        </div>
      ) : null}
      <Trouble flow={flow} />
      {flow.kind === 'review' || flow.kind === 'applying' ? <Review tenant={tenant} flow={flow} {...noteOf(flow)} onConfirm={confirm} onCancel={cancel} /> : null}
    </>
  )
}

/** What the list asks for: every field that a rule may have. */
const COLUMNS: Section['columns'] = [...new Set(DIAL_RULE.flatMap(({ fields }) => fields.map(({ path }) => path)))].filter((path) => path !== 'name').map((path) => ({ path, label: 'setup.dialRules.details' }))

type RulesProps = { readonly section: Section; readonly list: RefObject<HTMLDivElement | null>; readonly rules: readonly Stored[]; readonly onMove: (name: string, by: number) => void }

/** Where a rule can be moved, with what its button shows. */
const WAYS = [
  ['top', '⤒', 'setup.dialRules.top'],
  ['up', '↑', 'setup.dialRules.up'],
  ['down', '↓', 'setup.dialRules.down'],
  ['end', '⤓', 'setup.dialRules.end'],
] as const

function Rules({ section, list, rules, onMove }: RulesProps): ReactElement {
  const move = (name: string, way: string, by: number): void => {
    if (by === 0) return
    onMove(name, by)
    // A row that is put elsewhere loses the focus.
    requestAnimationFrame(() => list.current?.querySelector<HTMLElement>(`[data-object="${CSS.escape(name)}"] [data-way="${way}"]`)?.focus())
  }
  const arrows = (name: string, index: number): readonly ReactElement[] => {
    const [before, behind] = [index, rules.length - 1 - index]
    const by = { top: -before, up: -Math.min(before, 1), down: Math.min(behind, 1), end: behind }
    return WAYS.map(([way, sign, label]) => (
      <button key={way} type="button" data-way={way} className={own['arrow']} aria-disabled={by[way] === 0} aria-label={t(label, { name })} onClick={() => move(name, way, by[way])}>
        {sign}
      </button>
    ))
  }
  const isReader = !mayChange()
  return (
    <div ref={list} className={styles['scroll']} tabIndex={0} role="region" aria-label={t(section.title)}>
      <table className={styles['table']}>
        <thead>
          <tr>
            <th scope="col">{t(section.idLabel)}</th>
            <th scope="col">{t('setup.dialRule.numbers')}</th>
            <th scope="col">{t('setup.dialRule.what')}</th>
            <th scope="col" className={styles['further']}>
              {t('setup.dialRules.details')}
            </th>
            {isReader ? null : <th scope="col">{t('setup.dialRules.move')}</th>}
          </tr>
        </thead>
        <tbody>
          {rules.map((rule, index) => (
            <tr key={rule.id} data-object={rule.id}>
              <th scope="row">
                <Link to="/agent-setup/$section/$id" params={{ section: section.path, id: rule.id }}>
                  {rule.id}
                </Link>
              </th>
              <td>{wordsOfField('dial_rule', 'pattern', at(rule.object, 'pattern'))}</td>
              <td>{wordsOfField('dial_rule', 'action', at(rule.object, 'action'))}</td>
              <td className={styles['further']}>{detailsOf(rule)}</td>
              {isReader ? null : (
                <td>
                  <span className={own['arrows']}>{arrows(rule.id, index)}</span>
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

const IN_COLUMNS = ['name', 'action', 'pattern', 'place']

/** Whatever else a rule says, in the words of its form. */
function detailsOf({ object }: Stored): string {
  const fields = shownFields(DIAL_RULE, toDraft(DIAL_RULE, object)).filter(({ path }) => !IN_COLUMNS.includes(path))
  const said = fields.map(({ path }) => [nameOfField('dial_rule', path), wordsOfField('dial_rule', path, at(object, path))] as const)
  return said.filter(([, value]) => value !== NOTHING).map(([name, value]) => `${name}: ${value}`).join('; ') || NOTHING
}

/** Why the order is not saved. */
function Trouble({ flow }: { readonly flow: Flow }): ReactElement | null {
  if (flow.kind === 'failed') {
    return (
      <p role="alert">
        {wordsOf(flow.failure)} {adviceOf(flow.failure)}
      </p>
    )
  }
  if (flow.kind === 'conflict') {
    return (
      <p role="alert">
        {t('setup.dialRules.conflict', { name: nameOfObject(flow.conflict.kind, flow.conflict.id) })} {madeOf(flow)}
      </p>
    )
  }
  if (flow.kind === 'stopped') return flow.made === 0 ? null : <p role="alert">{madeOf(flow)}</p>
  if (flow.kind !== 'faulty') return null
  return (
    <ul role="alert">
      {flow.made === 0 ? null : <li>{madeOf(flow)}</li>}
      {flow.faults.map((fault) => (
        <li key={`${fault.id} ${fault.field} ${fault.rule}`}>{wordsOfFault(fault)}</li>
      ))}
      {flow.more === 0 ? null : <li>{t('setup.review.more', { count: flow.more })}</li>}
    </ul>
  )
}

/** Of an order that goes in several batches: what of it was saved before the others were refused. */
function madeOf({ made, proposal }: Extract<Flow, { kind: 'faulty' | 'conflict' | 'stopped' }>): string {
  return made === 0 ? '' : t('setup.dialRules.someMade', { count: made, all: proposal.edits.length })
}

/** How far a long order is. */
function noteOf(flow: Extract<Flow, { kind: 'review' | 'applying' }>): { readonly note?: string } {
  const count = flow.proposal.edits.length
  return flow.kind === 'applying' && count > BATCH ? { note: t('setup.bulk.progress', { done: flow.done, count }) } : {}
}
