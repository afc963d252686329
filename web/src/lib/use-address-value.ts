import { useState } from 'react'

/** A part of what is looked at, kept in the address, so that it can be sent to somebody. */
export function useAddressValue(name: string): readonly [string, (value: string) => void] {
  const [value, setValue] = useState(() => new URLSearchParams(location.search).get(name) ?? '')
  const set = (next: string): void => {
    const query = new URLSearchParams(location.search)
    if (next === '') query.delete(name)
    else query.set(name, next)
    const text = query.toString()
    history.replaceState(history.state, '', location.pathname + (text === '' ? '' : `?${text}`))
    setValue(next)
  }
  return [value, set]
}
