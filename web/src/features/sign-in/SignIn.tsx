import { useId, useState, type FormEvent, type ReactElement } from 'react'
import { adviceOf, wordsOf, type Failure } from '../../api/errors'
import { givenIn, signOut, type Given } from '../../api/session'
import { t } from '../../lib/i18n'
import { apiPaths } from '../../lib/paths'
import { Button, buttonClass } from '../../ui/Button'
import { Notice } from '../../ui/Notice'
import { PageTitle } from '../../ui/PageTitle'
import styles from './SignIn.module.css'

export type SignInProps = {
  readonly failure: Failure
  /** The token that serves but for the tenant beside it. */
  readonly token: string | undefined
  readonly onToken: (given: Given) => void
}

/** What the page says instead of numbers while it has no token that serves, with a place for one. */
export function SignIn({ failure, token: kept = '', onToken }: SignInProps): ReactElement {
  const [token, setToken] = useState(kept)
  const [tenant, setTenant] = useState('')
  const needsTenant = failure.kind === 'no-tenant'
  const isNew = failure.kind === 'no-token'
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    const given = givenIn(token)
    if (given !== undefined) onToken(given.tenant === '' ? { ...given, tenant: tenant.trim() } : given)
  }
  return (
    <>
      <PageTitle title={t('session.page')} />
      <Notice tone={isNew ? 'plain' : 'bad'} title={needsTenant ? t('session.tenantTitle') : isNew ? t('session.signIn') : t('session.title')}>
        <p>{wordsOf(failure)}</p>
        {isNew ? (
          <p>
            <SignInLink />
          </p>
        ) : null}
        <p>{adviceOf(failure)}</p>
        <form className={styles['form']} onSubmit={submit}>
          <Field label={t('session.field')} type="password" value={token} onChange={setToken} />
          {needsTenant ? <Field label={t('session.tenant')} type="text" value={tenant} onChange={setTenant} /> : null}
          <Button type="submit">{t('session.open')}</Button>
          {isNew || needsTenant ? null : <SignInLink />}
        </form>
        <p className={styles['hint']}>{t('session.hint')}</p>
      </Notice>
    </>
  )
}

/** To the sign-in page, and back to here. The token that does not serve is forgotten. */
function SignInLink(): ReactElement {
  return (
    <a className={buttonClass('main')} href={apiPaths.signIn(location.pathname + location.search)} onClick={() => signOut(sessionStorage)}>
      {t('session.signIn')}
    </a>
  )
}

type FieldProps = { readonly label: string; readonly type: 'password' | 'text'; readonly value: string; readonly onChange: (value: string) => void }

function Field({ label, type, value, onChange }: FieldProps): ReactElement {
  const id = useId()
  return (
    <div className={styles['field']}>
      <label htmlFor={id}>{label}</label>
      <input id={id} type={type} autoComplete="off" spellCheck={false} value={value} onChange={(event) => onChange(event.target.value)} />
    </div>
  )
}
