import type { ReactElement } from 'react'
import type { Connection } from '../../live/stream'
import { t } from '../../lib/i18n'
import styles from './LiveSign.module.css'

export type LiveSignProps = { readonly connection: Connection }

/** Says that the numbers are pushed now, or that they are not. */
export function LiveSign({ connection }: LiveSignProps): ReactElement {
  const words = { connecting: t('connection.connecting'), live: t('connection.live'), lost: t('connection.lost'), refused: t('connection.lost') }
  return (
    <span className={`${styles['sign']} ${styles[connection.kind]}`} title={connection.kind === 'live' ? t('connection.liveTitle') : undefined}>
      {words[connection.kind]}
    </span>
  )
}
