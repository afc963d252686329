import { useId, useState, type ReactElement } from 'react'
import type { Configuration } from '../../../api/workspace-shapes'
import type { TeamMember } from '../../../api/workspace-team'
import { t } from '../../../lib/i18n'
import { Field } from '../../../ui/Field'
import { Since } from '../../../ui/Since'
import { Glyph, type GlyphName } from '../../../ui/state-glyphs'
import { useSettled } from '../../../ui/use-settled'
import type { DeskProps } from '../Desktop'
import styles from '../Desktop.module.css'
import { wordsOf } from '../words'
import { MemberActions } from './MemberActions'
import { countOf } from './team-actions'
import own from './Team.module.css'
import { useTeam, type Team } from './use-team'
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
  const team = useTeam(group, term)
  const members = team.shown?.members ?? []
  const member = members.find(({ id }) => id === chosen)
  return (
    <div className={own['team']}>
      <section aria-label={t('team.title')} className={styles['panel']}>
        <Groups team={team} group={group} onChoose={setGroup} />
        <Search typed={typed} onType={setTyped} />
        <Faults team={team} />
        {members.length > 0 ? <p className={styles['quiet']}>{t('team.count', countOf(members))}</p> : null}
        {team.shown !== undefined && members.length === 0 ? <p role="status">{t(term === '' ? 'team.none' : 'team.nobody')}</p> : null}
        <ul className={own['members']}>
          {members.map((one) => (
            <Member key={one.id} member={one} reason={reasonOf(one, state.configuration)} isChosen={one.id === chosen} onChoose={() => setChosen(one.id === chosen ? '' : one.id)} />
          ))}
        </ul>
        {team.shown !== undefined && team.shown.all > members.length ? <p className={styles['quiet']}>{t('team.many', { shown: members.length, all: team.shown.all })}</p> : null}
      </section>
      <div className={styles['side']}>
        {member === undefined ? members.length > 0 ? <p className={styles['empty']}>{t('team.choose')}</p> : null : <MemberActions key={member.id} desk={desk} state={state} member={member} />}
        <WaitingCalls desk={desk} state={state} />
        <Queues team={team} />
      </div>
    </div>
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

type MemberProps = { readonly member: TeamMember; readonly reason: string; readonly isChosen: boolean; readonly onChoose: () => void }

function Member({ member: { name, number, state, since }, reason, isChosen, onChoose }: MemberProps): ReactElement {
  const glyph = GLYPHS[state]
  return (
    <li data-member={state}>
      <button type="button" aria-pressed={isChosen} className={styles['row']} onClick={onChoose}>
        <Glyph name={glyph} className={styles[glyph]} />
        <span className={styles['strong']}>{name}</span>
        <span>{t(`team.state.${state}`)}</span>
        {since === undefined || state === 'loggedOut' ? null : <Since since={since} className={styles['clock']} />}
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
