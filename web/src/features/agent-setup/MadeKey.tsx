import { useEffect, useRef, useState, type ReactElement } from 'react'
import type { ApiKeyMade } from '../../api/api-keys'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import styles from './ApiKeys.module.css'

export type MadeKeyProps = { readonly made: ApiKeyMade; readonly onDone: () => void }

/** A key that was just made: nothing shows it again. */
export function MadeKey({ made, onDone }: MadeKeyProps): ReactElement {
  const heading = useRef<HTMLHeadingElement>(null)
  const input = useRef<HTMLInputElement>(null)
  const [told, setTold] = useState('')
  useEffect(() => heading.current?.focus(), [])
  const copy = async (key: string): Promise<void> => {
    // A browser may refuse, and has no clipboard for pages without TLS.
    const isCopied = await (navigator.clipboard?.writeText(key) ?? Promise.reject(new Error('no clipboard'))).then(
      () => true,
      () => false,
    )
    if (!isCopied) input.current?.select()
    setTold(isCopied ? t('setup.apiKeys.copied') : t('setup.apiKeys.notCopied'))
  }
  const { name } = made.apiKey
  return (
    <section className={styles['made']} aria-labelledby="made-key">
      <h2 ref={heading} id="made-key" tabIndex={-1}>
        {made.key === undefined ? t('setup.apiKeys.lostTitle', { name }) : t('setup.apiKeys.madeTitle', { name })}
      </h2>
      {made.key === undefined ? (
        <p>{t('setup.apiKeys.lost')}</p>
      ) : (
        <>
          <p className={styles['warning']}>{t('setup.apiKeys.once')}</p>
          <label className={styles['key']}>
            {t('setup.apiKeys.key')}
            <input ref={input} type="text" readOnly value={made.key} autoComplete="off" spellCheck={false} onFocus={(event) => event.target.select()} />
          </label>
        </>
      )}
      <div className={styles['actions']}>
        {made.key === undefined ? null : (
          <Button tone="main" onClick={() => void copy(made.key ?? '')}>
            {t('setup.apiKeys.copy')}
          </Button>
        )}
        <Button onClick={onDone}>{made.key === undefined ? t('setup.apiKeys.close') : t('setup.apiKeys.kept')}</Button>
        <span role="status">{told}</span>
      </div>
    </section>
  )
}
