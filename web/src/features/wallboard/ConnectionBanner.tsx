import type { ReactElement } from 'react'
import { adviceOf, wordsOf } from '../../api/errors'
import { roughDuration } from '../../lib/durations'
import { messages } from '../../lib/messages'
import type { Connection } from '../../live/stream'
import { Banner } from '../../ui/Banner'
import { Button } from '../../ui/Button'
import { WallClock } from '../../ui/WallClock'

const text = messages.connection

export type ConnectionBannerProps = {
  readonly connection: Extract<Connection, { kind: 'lost' | 'refused' }>
  /** The moment of the numbers on the page. */
  readonly at: number | undefined
  readonly onRetry: () => void
}

/** Says that the numbers are old, why, and what happens next. */
export function ConnectionBanner({ connection, at, onRetry }: ConnectionBannerProps): ReactElement {
  if (connection.kind === 'refused') {
    return (
      <Banner what={`${text.refused} ${wordsOf(connection.failure)}`} at={at}>
        {adviceOf(connection.failure)}
        <Button onClick={() => location.reload()}>{text.otherToken}</Button>
      </Banner>
    )
  }
  const { retryAt } = connection
  const next = (now: number): string => (retryAt - now >= 1_000 ? text.retryIn(roughDuration(retryAt - now)) : text.retrying)
  return (
    <Banner what={`${text.lost} ${wordsOf(connection.failure)}`} at={at}>
      <WallClock text={next} />
      <Button onClick={onRetry}>{text.retry}</Button>
    </Banner>
  )
}
