/** Which DNs are browser phones, as the tab has been told. */

import type { Device } from '../../api/workspace-shapes'

const KEPT = 'trunkline.phone.kinds'

type Kinds = Readonly<Record<string, boolean>>

export function keptKinds(): Kinds {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(KEPT) ?? '')
    return typeof value === 'object' && value !== null ? (value as Kinds) : {}
  } catch {
    return {}
  }
}

/** Those of a place. */
export function keepKinds(devices: readonly Device[]): void {
  const told = Object.fromEntries(devices.map(({ number, isBrowserPhone: is }) => [number, is]))
  sessionStorage.setItem(KEPT, JSON.stringify({ ...keptKinds(), ...told }))
}
