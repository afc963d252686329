import { useId, useState, type ReactElement } from 'react'
import type { TeamPlan } from '../../../api/workspace-schedule'
import type { Configuration } from '../../../api/workspace-shapes'
import { MEMBERS_MAX, type TeamMember } from '../../../api/workspace-team'
import { t } from '../../../lib/i18n'
import { Field } from '../../../ui/Field'
import { Since } from '../../../ui/Since'
import { Glyph, type GlyphName } from '../../../ui/state-glyphs'
import { useSettled } from '../../../ui/use-settled'
import type { DeskProps } from '../Desktop'
import styles from '../Desktop.module.css'
import { shouldDo } from '../schedule'
import { wordsOf } from '../words'
import { MemberActions } from './MemberActions'
import { countOf, statesOf } from './team-actions'
import own from './Team.module.css'
import { useTeam, type Team } from './use-team'
import { useTeamPlan } from './use-team-plan'
import { WaitingCalls } from './WaitingCalls'

const GLYPHS: Readonly<Record<TeamMember['state'], GlyphName>> = { ready: 'ready', talking: 'talking', onHold: 'notReady', ringing: 'ringing', afterCallWork: 'afterCallWork', notReady: 'notReady', unknown: 'unknown', loggedOut: 'loggedOut' }

/** Who types goes on typing for so long before somebody is looked for. */
const TYPED_MS = 250

/** A supervisor's people, live, and what waits for them. */
export function TeamView({ desk, state }: DeskProps): ReactElement {
  const [group, setGroup] = useState('')
  const [typed, setTyped] = useState('')
  const [chosen, setChosen] = useState('')
  const term = useSettled(typed.trim().replaceAll(',', ' '), TYPED_MS)
  const [only, setOnly] = useState<TeamMember['state'] | ''>('')
  const team = useTeam(group, term)
  const plan = useTeamPlan(group, term)
  const { members, found, all } = foundIn(team, only)
  const shown = found.slice(0, MEMBERS_MAX)
  const member = members.find(({ id }) => id === chosen)
  return (
    <div className={own['team']}>
      <section aria-label={t('team.title')} className={styles['panel']}>
        <Groups team={team} group={group} onChoose={setGroup} />
        <Search typed={typed} onType={setTyped} />
        <States states={statesOf(members, team.out?.all ?? 0)} only={only} onChoose={setOnly} />
        <Faults team={team} />
        {members.length > 0 ? <p className={styles['quiet']}>{t(team.shown?.isPart === true ? 'team.count.part' : 'team.count', countOf(members))}</p> : null}
        {team.shown !== undefined && members.length === 0 ? <p role="status">{t(term === '' ? 'team.none' : 'team.nobody')}</p> : null}
        <ul className={own['members']}>
          {shown.map((one) => (
            <Member key={one.id} member={one} reason={reasonOf(one, state.configuration)} should={shouldOf(one, plan)} isChosen={one.id === chosen} onChoose={() => setChosen(one.id === chosen ? '' : one.id)} />
          ))}
        </ul>
        {all > shown.length ? <p className={styles['quiet']}>{t('team.many', { shown: shown.length, all })}</p> : null}
      </section>
      <div className={styles['side']}>
        {member === undefined ? members.length > 0 ? <p className={styles['empty']}>{t('team.choose')}</p> : null : <MemberActions key={member.id} desk={desk} state={state} member={member} />}
        <WaitingCalls desk={desk} state={state} />
        <Queues team={team} />
      </div>
    </div>
  )
}

/** Those who are known, those at work first; those of them in a state; and how many there are of these. */
function foundIn({ shown, out }: Team, only: TeamMember['state'] | ''): { readonly members: readonly TeamMember[]; readonly found: readonly TeamMember[]; readonly all: number } {
  // Who has logged in or out between two answers is in both.
  const known = new Set(shown?.members.map(({ id }) => id))
  const members = [...(shown?.members ?? []), ...(out?.members ?? []).filter(({ id }) => !known.has(id))]
  if (only === '') return { members, found: members, all: (shown?.all ?? 0) + (out?.all ?? 0) }
  const found = members.filter(({ state }) => state === only)
  return { members, found, all: only === 'loggedOut' ? Math.max(found.length, out?.all ?? 0) : found.length }
}

type StatesProps = { readonly states: ReturnType<typeof statesOf>; readonly only: TeamMember['state'] | ''; readonly onChoose: (state: TeamMember['state'] | '') => void }

/** Whom of the team to show, by state, with how many are in each. */
function States({ states, only, onChoose }: StatesProps): ReactElement | null {
  const id = useId()
  // A state that nobody is in any more stays chosen until another one is.
  const offered = only === '' || states.some(({ state }) => state === only) ? states : [...states, { state: only, many: 0 }]
  if (offered.length === 0) return null
  return (
    <Field id={id} label={t('team.only')}>
      {(attributes) => (
        <select {...attributes} value={only} onChange={({ target }) => onChoose(offered.find(({ state }) => state === target.value)?.state ?? '')}>
          <option value="">{t('team.only.all')}</option>
          {offered.map(({ state, many }) => (
            <option key={state} value={state}>
              {t('team.only.state', { state: t(`team.state.${state}`), many })}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}

type SearchProps = { readonly typed: string; readonly onType: (typed: string) => void }

function Search({ typed, onType }: SearchProps): ReactElement {
  const id = useId()
  return (
    <Field id={id} label={t('team.find')}>
      {(attributes) => <input {...attributes} type="search" autoComplete="off" spellCheck={false} value={typed} onChange={(event) => onType(event.target.value)} onKeyDown={(event) => (event.key === 'Escape' ? onType('') : undefined)} />}
    </Field>
  )
}

type GroupsProps = { readonly team: Team; readonly group: string; readonly onChoose: (id: string) => void }

function Groups({ team, group, onChoose }: GroupsProps): ReactElement | null {
  const id = useId()
  if (team.groups.length === 0) return null
  return (
    <Field id={id} label={t('team.group')}>
      {(attributes) => (
        <select {...attributes} value={group} onChange={(event) => onChoose(event.target.value)}>
          <option value="">{t('team.group.all')}</option>
          {team.groups.map(({ id: of, name }) => (
            <option key={of} value={of}>
              {name}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}

function Faults({ team: { shown, failure } }: { readonly team: Team }): ReactElement | null {
  if (failure === undefined) return shown === undefined ? <p role="status">{t('team.loading')}</p> : null
  return <p role="alert">{shown === undefined ? t('team.failed', { why: wordsOf(failure).what }) : t('team.old')}</p>
}

/** A reason by the name that the tenant gives it. */
function reasonOf({ reason }: TeamMember, configuration: Configuration | undefined): string {
  return configuration?.reasons.find(({ code }) => code === reason)?.name ?? reason
}

/** What somebody should do instead; empty where there is nothing to say. */
function shouldOf({ userName, state }: TeamMember, plan: TeamPlan | undefined): string {
  const should = shouldDo(plan?.get(userName.toLowerCase()), state, Date.now())
  return should === undefined ? '' : t(`team.should.${should.type}`)
}

type MemberProps = { readonly member: TeamMember; readonly reason: string; readonly should: string; readonly isChosen: boolean; readonly onChoose: () => void }

function Member({ member: { name, number, state, since }, reason, should, isChosen, onChoose }: MemberProps): ReactElement {
  const glyph = GLYPHS[state]
  return (
    <li data-member={state}>
      <button type="button" aria-pressed={isChosen} className={styles['row']} onClick={onChoose}>
        <Glyph name={glyph} className={styles[glyph]} />
        <span className={styles['strong']}>{name}</span>
        <span>{t(`team.state.${state}`)}</span>
        {since === undefined || state === 'loggedOut' ? null : <Since since={since} className={styles['clock']} />}
        {should === '' ? null : (
          <span className={styles['strong']} data-should>
            {should}
          </span>
        )}
        <span className={styles['quiet']}>{[reason, number === '' ? '' : t('team.at', { number })].filter(Boolean).join(' · ')}</span>
      </button>
    </li>
  )
}

function Queues({ team: { queues } }: { readonly team: Team }): ReactElement | null {
  if (queues === undefined) return null
  return (
    <section aria-label={t('team.queues')} className={styles['panel']}>
      {queues.length === 0 ? (
        <p>{t('team.queues.none')}</p>
      ) : (
        <table className={own['queues']}>
          <thead>
            <tr>
              <th scope="col">{t('team.queue')}</th>
              <th scope="col">{t('team.waiting')}</th>
            </tr>
          </thead>
          <tbody>
            {queues.map(({ key, name, waiting }) => (
              <tr key={key} data-waiting={waiting}>
                <th scope="row">{name}</th>
                <td>{waiting}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}
