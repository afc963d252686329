/** The slowest of several things, each by its name, from one telling to the next. */

export type Slow = { readonly name: string; readonly where: string; readonly ms: number }

/** More names than there are; one more is a sign that something is named wrongly, and is left out. */
const NAMES_MAX = 32

export class Slowest {
  private readonly found = new Map<string, Slow>()

  note(name: string, where: string, ms: number): void {
    const key = `${name} ${where}`
    const before = this.found.get(key)
    if (before === undefined && this.found.size >= NAMES_MAX) return
    if (before === undefined || before.ms < ms) this.found.set(key, { name, where, ms })
  }

  /** All that were noted; from now on they are looked for anew. */
  taken(): readonly Slow[] {
    const all = [...this.found.values()]
    this.found.clear()
    return all
  }
}
