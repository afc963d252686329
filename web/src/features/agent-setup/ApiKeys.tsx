import { Link } from '@tanstack/react-router'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useCallback, useRef, useState, type ReactElement, type RefObject } from 'react'
import { listApiKeys, type ApiKey, type ApiKeyMade } from '../../api/api-keys'
import { dateAndTime } from '../../lib/durations'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Notice } from '../../ui/Notice'
import { PageTitle } from '../../ui/PageTitle'
import { useShortcut } from '../../ui/use-shortcut'
import { ApiKeyForm } from './ApiKeyForm'
import { isGood, stateOf, STATES, wordsOfScope } from './api-keys'
import { adviceOf, wordsOf } from './failures'
import { MadeKey } from './MadeKey'
import { mayMake } from './may-make'
import { failureIn, valueOf } from './queries'
import { RevokeKey } from './RevokeKey'
import { whomOf } from './whom'
import { NOTHING } from './words'
import styles from './List.module.css'
import own from './ApiKeys.module.css'

/** What would be lost by leaving the page. */
export type Held = 'nothing' | 'typed' | 'key'

export type ApiKeysProps = {
  readonly tenant: string
  /** Those of who has signed in. */
  readonly scopes: readonly string[]
  readonly onHeld: (held: Held) => void
}

/** The keys of programs that can do no more than send a fixed header: which there are, a new one, and the end of one. */
export function ApiKeys({ tenant, scopes, onHeld }: ApiKeysProps): ReactElement {
  const queries = useQueryClient()
  const queryKey = ['agent-setup', tenant, 'api-keys']
  const { data, error, refetch } = useQuery({ queryKey, queryFn: async ({ signal }) => valueOf(await listApiKeys(tenant, signal)), refetchOnWindowFocus: false })
  const [isMaking, setMaking] = useState(false)
  const [made, setMade] = useState<ApiKeyMade>()
  const [revoked, setRevoked] = useState<ApiKey>()
  const table = useRef<HTMLDivElement>(null)
  const failure = failureIn(error)
  const again = (): void => void queries.invalidateQueries({ queryKey })
  const begin = (): void => {
    // A key that nobody has kept yet is not put aside by the next one.
    if (made === undefined) setMaking(true)
  }
  const mayAdd = mayMake('api_key')
  useShortcut(mayAdd ? 'n' : '', t('setup.apiKeys.add'), begin)
  const onDirty = useCallback((isDirty: boolean) => onHeld(isDirty ? 'typed' : 'nothing'), [onHeld])
  const end = (): void => {
    setMaking(false)
    setMade(undefined)
    onHeld('nothing')
    requestAnimationFrame(() => document.getElementById(ADD)?.querySelector('button')?.focus())
  }
  return (
    <>
      <PageTitle title={t('setup.apiKeys')} of={t('apps.agentSetup')} />
      <p>{t('setup.apiKeys.about')}</p>
      {made !== undefined ? (
        <MadeKey made={made} onDone={end} />
      ) : isMaking ? (
        <ApiKeyForm
          tenant={tenant}
          scopes={scopes}
          onDirty={onDirty}
          onCancel={end}
          onMade={(now) => {
            setMaking(false)
            setMade(now)
            onHeld(now.key === undefined ? 'nothing' : 'key')
            again()
          }}
        />
      ) : !mayAdd ? null : (
        <div id={ADD}>
          <Button tone="main" onClick={begin}>
            {t('setup.apiKeys.add')}
          </Button>
        </div>
      )}
      {failure === undefined ? null : (
        <Notice tone="bad" title={wordsOf(failure)}>
          <p>{adviceOf(failure)}</p>
          <Button onClick={() => void refetch()}>{t('connection.retry')}</Button>
        </Notice>
      )}
      {data === undefined ? failure === undefined ? <p>{t('loading')}</p> : null : data.length === 0 ? <p className={styles['empty']}>{t('setup.list.nothing', { what: t('setup.apiKeys') })}</p> : <Keys keys={data} table={table} onRevoke={setRevoked} />}
      {revoked === undefined ? null : (
        <RevokeKey
          tenant={tenant}
          apiKey={revoked}
          onClose={() => setRevoked(undefined)}
          onRevoked={() => {
            setRevoked(undefined)
            again()
            // The button that was pressed is gone.
            requestAnimationFrame(() => table.current?.focus())
          }}
        />
      )}
    </>
  )
}

const ADD = 'add-api-key'

type KeysProps = { readonly keys: readonly ApiKey[]; readonly table: RefObject<HTMLDivElement | null>; readonly onRevoke: (key: ApiKey) => void }

function Keys({ keys, table, onRevoke }: KeysProps): ReactElement {
  const now = Date.now()
  return (
    <div ref={table} className={styles['scroll']} tabIndex={0} role="region" aria-label={t('setup.apiKeys')}>
      <table className={styles['table']}>
        <thead>
          <tr>
            <th scope="col">{t('setup.name')}</th>
            <th scope="col">{t('setup.apiKeys.state')}</th>
            <th scope="col">{t('setup.apiKeys.scopes')}</th>
            <th scope="col" className={styles['further']}>
              {t('setup.apiKeys.used')}
            </th>
            <th scope="col" className={styles['further']}>
              {t('setup.apiKeys.made')}
            </th>
            <th scope="col">{t('setup.apiKeys.end')}</th>
          </tr>
        </thead>
        <tbody>
          {keys.map((key) => (
            <Row key={key.id} of={key} now={now} onRevoke={onRevoke} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Row({ of, now, onRevoke }: { readonly of: ApiKey; readonly now: number; readonly onRevoke: (key: ApiKey) => void }): ReactElement {
  const state = stateOf(of, now)
  const maker = whomOf(of.madeBy)
  return (
    <tr data-api-key={of.id} data-state={state} className={isGood(state) ? undefined : own['over']}>
      <th scope="row">
        {of.name}
        <span className={own['id']}>tlk_{of.id}_…</span>
        {of.client === '' ? null : (
          <span className={own['id']}>
            {t('setup.client')}{' '}
            <Link to="/agent-setup/$section/$id" params={{ section: 'clients', id: of.client }}>
              {of.client}
            </Link>
          </span>
        )}
      </th>
      <td>
        {t(STATES[state])}
        <br />
        {of.revokedAt === undefined ? t('setup.apiKeys.until', { time: dateAndTime(of.endsAt) }) : dateAndTime(of.revokedAt)}
      </td>
      <td>
        {of.scopes.map((scope) => (
          <span key={scope} className={own['id']} title={wordsOfScope(scope)}>
            {scope}
          </span>
        ))}
      </td>
      <td className={styles['further']}>
        {of.usedAt === undefined ? t('setup.apiKeys.never') : dateAndTime(of.usedAt)}
        {of.usedFrom === '' ? null : <span className={own['id']}>{t('setup.apiKeys.usedFrom', { address: of.usedFrom })}</span>}
      </td>
      <td className={styles['further']}>
        {dateAndTime(of.madeAt)}
        <br />
        {maker?.name ?? NOTHING}
      </td>
      <td>
        {isGood(state) && mayMake('api_key') ? (
          <Button tone="danger" label={t('setup.apiKeys.revokeOf', { name: of.name })} onClick={() => onRevoke(of)}>
            {t('setup.apiKeys.revoke')}
          </Button>
        ) : (
          NOTHING
        )}
      </td>
    </tr>
  )
}
