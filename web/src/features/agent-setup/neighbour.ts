/** What gets the focus when one of several is removed: the one that takes its place, else the last; undefined where none is left. */
export function neighbourOf(removed: number, left: number): number | undefined {
  return left === 0 ? undefined : Math.min(removed, left - 1)
}

/** Gives the focus to the page where the button that was pressed goes with what has it. Once the page is drawn anew. */
export function focusContent(): void {
  requestAnimationFrame(() => document.getElementById('content')?.focus())
}

/** Gives it the focus: the button to remove a neighbour, which is its last, or what adds another. Once the page is drawn anew. */
export function focusNeighbour(within: HTMLElement | null, removed: number, adder: string): void {
  requestAnimationFrame(() => {
    const buttons = [...(within?.querySelectorAll('[data-one]') ?? [])].map((one) => [...one.querySelectorAll('button')].at(-1))
    const next = neighbourOf(removed, buttons.length)
    const target = next === undefined ? document.getElementById(adder) : buttons[next]
    target?.focus()
  })
}
