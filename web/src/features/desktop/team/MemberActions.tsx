import { useState, type ReactElement } from 'react'
import type { TeamMember } from '../../../api/workspace-team'
import { t } from '../../../lib/i18n'
import { Button } from '../../../ui/Button'
import { say } from '../../../ui/toast'
import type { DeskProps } from '../Desktop'
import styles from '../Desktop.module.css'
import { wordsOf } from '../words'
import { listenTo, setMember, type Listening, type Setting } from './team-actions'

export type MemberActionsProps = DeskProps & { readonly member: TeamMember }

const LISTENING: readonly Listening[] = ['listen', 'whisper', 'bargeIn']
const SETTINGS = { ready: 'team.ready', 'not-ready': 'team.notReady', logout: 'team.logout' } as const

/** What can be done with one of the team. */
export function MemberActions({ desk, state, member }: MemberActionsProps): ReactElement {
  const [isSure, setSure] = useState(false)
  const { name } = member
  const hasPhone = state.phase.kind === 'working'
  const set = async (to: Setting): Promise<void> => {
    setSure(false)
    const what = t(SETTINGS[to])
    const answer = await setMember(desk, member, to)
    if (answer.kind === 'ok') say(t('team.asked', { name, what }))
    else say(t('team.refused', { what, why: wordsOf(answer.failure).what }), 'bad')
  }
  const isIn = member.state !== 'loggedOut'
  return (
    <section aria-label={t('team.actions', { name })} className={styles['panel']}>
      <h2 className={styles['strong']}>{name}</h2>
      {isIn && member.number !== '' ? (
        <>
          {hasPhone ? (
            <div className={styles['buttons']}>
              {LISTENING.map((how) => (
                <Button key={how} onClick={() => void listenTo(desk, state.calls, member, how)}>
                  {t(`team.${how}`)}
                </Button>
              ))}
            </div>
          ) : null}
          <p className={styles['quiet']}>{t(hasPhone ? 'team.listen.how' : 'team.listen.noPhone')}</p>
        </>
      ) : null}
      <div className={styles['buttons']}>
        {isIn ? (
          <>
            {member.state === 'ready' ? null : <Button onClick={() => void set('ready')}>{t('team.ready')}</Button>}
            {member.state === 'notReady' ? null : <Button onClick={() => void set('not-ready')}>{t('team.notReady')}</Button>}
            <Button tone="danger" pressed={isSure} onClick={() => setSure(!isSure)}>
              {t('team.logout')}
            </Button>
          </>
        ) : (
          <p>{t('team.state.loggedOut')}</p>
        )}
      </div>
      {isSure ? (
        <div role="group" aria-label={t('team.logout')} className={styles['data']}>
          <p role="alert">{t('team.logout.sure', { name })}</p>
          <div className={styles['buttons']}>
            <Button tone="danger" label={t('team.logout.now', { name })} onClick={() => void set('logout')}>
              {t('team.logout')}
            </Button>
            <Button onClick={() => setSure(false)}>{t('team.cancel')}</Button>
          </div>
        </div>
      ) : null}
    </section>
  )
}
