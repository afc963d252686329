/** Durations and times of day as people read them on a wall. */

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const two = (value: number): string => String(value).padStart(2, '0')

/** `0:07`, `12:41`, `1:02:09`, `3 d 04:11`. Never negative: clocks of two machines may differ a little. */
export function clockDuration(ms: number): string {
  const whole = Math.max(0, Math.floor(ms / SECOND)) * SECOND
  const seconds = two(Math.floor((whole % MINUTE) / SECOND))
  const minutes = Math.floor((whole % HOUR) / MINUTE)
  const hours = Math.floor((whole % DAY) / HOUR)
  if (whole < HOUR) return `${minutes}:${seconds}`
  if (whole < DAY) return `${hours}:${two(minutes)}:${seconds}`
  return `${Math.floor(whole / DAY)} d ${two(hours)}:${two(minutes)}`
}

/** The same in at most five signs: `0:07`, `12:41`, `1h02`, `3d`. */
export function shortDuration(ms: number): string {
  const whole = Math.max(0, ms)
  if (whole < HOUR) return clockDuration(whole)
  if (whole < DAY) return `${Math.floor(whole / HOUR)}h${two(Math.floor((whole % HOUR) / MINUTE))}`
  return `${Math.floor(whole / DAY)}d`
}

/** A short length of time in words: `35 s`, `4 min`, `2 h 05 min`. */
export function roughDuration(ms: number): string {
  const whole = Math.max(0, ms)
  if (whole < 90 * SECOND) return `${Math.floor(whole / SECOND)} s`
  if (whole < 90 * MINUTE) return `${Math.floor(whole / MINUTE)} min`
  return `${Math.floor(whole / HOUR)} h ${two(Math.floor((whole % HOUR) / MINUTE))} min`
}

/** `180 ms`, `4.2 s`: for steps inside a call. */
export function preciseDuration(ms: number): string {
  if (ms < SECOND) return `${Math.round(ms)} ms`
  if (ms < MINUTE) return `${(ms / SECOND).toFixed(1)} s`
  return clockDuration(ms)
}

/** `14:03:59`, in the browser's time zone. */
export function timeOfDay(at: number): string {
  const date = new Date(at)
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** `14:03`. */
export function timeOfMinute(at: number): string {
  return timeOfDay(at).slice(0, 5)
}

/** `14:03:59.042`. */
export function preciseTimeOfDay(at: number): string {
  return `${timeOfDay(at)}.${String(new Date(at).getMilliseconds()).padStart(3, '0')}`
}

/** `14:03:59`, with its date where that is not the day of `now`. */
export function timeOrDate(at: number, now: number): string {
  return new Date(at).toDateString() === new Date(now).toDateString() ? timeOfDay(at) : dateAndTime(at)
}

/** `2031-05-09 14:03:59`. */
export function dateAndTime(at: number): string {
  const date = new Date(at)
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${timeOfDay(at)}`
}
