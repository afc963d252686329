import { useId, useState, type FormEvent, type ReactElement } from 'react'
import { adviceOf, wordsOf, type Failure } from '../../api/errors'
import { messages } from '../../lib/messages'
import { Button } from '../../ui/Button'
import { Notice } from '../../ui/Notice'
import styles from './SignIn.module.css'

export type SignInProps = {
  readonly failure: Failure
  readonly onToken: (token: string) => void
}

/** What the page says instead of numbers while it has no token that serves, with a place for one. */
export function SignIn({ failure, onToken }: SignInProps): ReactElement {
  const [token, setToken] = useState('')
  const field = useId()
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    if (token.trim() !== '') onToken(fromLink(token.trim()))
  }
  return (
    <Notice tone={failure.kind === 'no-token' ? 'plain' : 'bad'} title={messages.session.title}>
      <p>{wordsOf(failure)}</p>
      <p>{adviceOf(failure)}</p>
      <form className={styles['form']} onSubmit={submit}>
        <label htmlFor={field}>{messages.session.field}</label>
        <input
          id={field}
          className={styles['field']}
          type="password"
          autoComplete="off"
          spellCheck={false}
          value={token}
          onChange={(event) => setToken(event.target.value)}
        />
        <Button type="submit">{messages.session.open}</Button>
      </form>
      <p className={styles['hint']}>{messages.session.hint}</p>
    </Notice>
  )
}

/** People paste the whole link as often as the token. */
function fromLink(text: string): string {
  const hash = text.indexOf('#')
  if (hash < 0) return text
  return new URLSearchParams(text.slice(hash + 1)).get('token') ?? text
}
