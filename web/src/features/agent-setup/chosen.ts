import { useEffect, useState } from 'react'
import { NOBODY, type Chosen } from './paging'

/** Who is chosen in each list, as long as this page is loaded: whoever opens one of them comes back to the same choice. */
const kept = new Map<string, Chosen>()

export function useChosen(tenant: string, list: string): readonly [Chosen, (change: (before: Chosen) => Chosen) => void] {
  const name = `${tenant} ${list}`
  const [chosen, setChosen] = useState(() => kept.get(name) ?? NOBODY)
  useEffect(() => {
    kept.set(name, chosen)
  }, [name, chosen])
  return [chosen, setChosen]
}
