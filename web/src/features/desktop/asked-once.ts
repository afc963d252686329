/** The other half of a double press asks for nothing more. */

import { LOOK_MS } from '../../lib/shortcuts'

type Ask = () => Promise<boolean>

/** Asks, unless the same is under way; then the answer is that of before. It is until it is answered, and for as long as another press would be the other half of a double one. That counts
 *  from the press: a later one is meant, however long the answer took. */
export function askedOnce(later: (run: () => void, ms: number) => void): (name: string, ask: Ask) => Promise<boolean> {
  const underWay = new Map<string, Promise<boolean>>()
  return (name, ask) => {
    const before = underWay.get(name)
    if (before !== undefined) return before
    const answer = ask()
    const forget = (): void => void (underWay.get(name) === answer ? underWay.delete(name) : undefined)
    let isHalfOver = false
    const half = (): void => (isHalfOver ? forget() : void (isHalfOver = true))
    underWay.set(name, answer)
    later(half, LOOK_MS)
    void answer.then((isTaken) => (isTaken ? half() : forget()))
    return answer
  }
}
