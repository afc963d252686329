/** Numbers as people read them. */

import { grouped } from './i18n'

/** `12,345`, in German `12.345`. */
export function count(value: number): string {
  return grouped(value)
}

/** `87`, to stand before a percent sign; rounded down from below 100, so that 99.96 does not look like a whole. A missing value is a dash. */
export function percent(value: number | null): string {
  if (value === null) return '–'
  return String(value < 100 ? Math.floor(value) : 100)
}

/** `1.4 kB`, `23 MB`. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let amount = value
  let unit = 0
  while (amount >= 1_000 && unit < units.length - 1) {
    amount /= 1_000
    unit += 1
  }
  return `${amount < 10 && unit > 0 ? amount.toFixed(1) : Math.round(amount)} ${units[unit] ?? ''}`
}

/** `1.25`, without trailing noughts. */
export function decimal(value: number, digits = 2): string {
  return String(Number(value.toFixed(digits)))
}
