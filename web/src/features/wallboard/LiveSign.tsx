import type { ReactElement } from 'react'
import type { Connection } from '../../live/stream'
import { messages } from '../../lib/messages'
import styles from './LiveSign.module.css'

export type LiveSignProps = { readonly connection: Connection }

/** Says that the numbers are pushed now, or that they are not. */
export function LiveSign({ connection }: LiveSignProps): ReactElement {
  const words = { connecting: messages.connection.connecting, live: messages.connection.live, lost: messages.connection.lost, refused: messages.connection.lost }
  return (
    <span className={`${styles['sign']} ${styles[connection.kind]}`} title={connection.kind === 'live' ? messages.connection.liveTitle : undefined}>
      {words[connection.kind]}
    </span>
  )
}
