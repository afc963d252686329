/** How far the server's clock is ahead of the browser's, by the `Date` of answers. That of the desktop's: the wallboard has its own (ticker.ts), by its stream. */

export type ServerClock = {
  /** An answer that the server has written at `date` (HTTP, whole seconds), asked for and come at these moments of the browser. */
  readonly heard: (date: string | null, asked: number, came: number) => void
  /** In milliseconds; 0 while nothing says that the clocks differ. */
  readonly ahead: () => number
}

export function newServerClock(): ServerClock {
  let [least, most] = [-Infinity, Infinity]
  return {
    heard: (date, asked, came) => {
      const at = Date.parse(date ?? '')
      if (Number.isNaN(at)) return
      // It was written between question and answer, within the second that it names: each answer leaves less room. Where none is left, one of the clocks was set.
      const [from, to] = [at - came, at + 1_000 - asked]
      ;[least, most] = from > most || to < least ? [from, to] : [Math.max(least, from), Math.min(most, to)]
    },
    ahead: () => (least <= 0 && most >= 0 ? 0 : Math.round((least + most) / 2)),
  }
}

export const serverClock = newServerClock()
