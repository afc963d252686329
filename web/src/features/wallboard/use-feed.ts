import { useEffect, useState, useSyncExternalStore } from 'react'
import { openFeed, type Feed, type FeedState } from './feed'

const NOTHING_YET: FeedState = { connection: { kind: 'connecting' }, board: undefined }

/** The wallboard's stream for as long as the page is open. */
export function useFeed(token: string, tenant: string): readonly [FeedState, () => void] {
  const [feed, setFeed] = useState<Feed>()
  useEffect(() => {
    const opened = openFeed({ token, tenant })
    setFeed(opened)
    return () => {
      opened.close()
      setFeed(undefined)
    }
  }, [token, tenant])
  const state = useSyncExternalStore(feed?.subscribe ?? subscribeToNothing, feed?.get ?? (() => NOTHING_YET))
  return [state, feed?.retry ?? (() => undefined)]
}

function subscribeToNothing(): () => void {
  return () => undefined
}
