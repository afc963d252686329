/** Lets readers see a store at most once per frame, however often it changes. */

export type Frame = {
  /** Asks for one call of `show` in the next frame. */
  readonly ask: () => void
  readonly cancel: () => void
}

/** A page in the background gets no frames; it is kept current by a timer. */
const HIDDEN_MS = 250

/** `show` runs before the frame is painted, `painted` after it. */
export function frame(show: () => void, painted: () => void): Frame {
  let request: number | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  const stop = (): void => {
    if (request !== undefined) cancelAnimationFrame(request)
    if (timer !== undefined) clearTimeout(timer)
    request = undefined
    timer = undefined
  }
  const run = (): void => {
    stop()
    show()
    // A task that is queued in a frame runs after that frame's paint.
    const channel = new MessageChannel()
    channel.port1.onmessage = () => {
      channel.port1.close()
      painted()
    }
    channel.port2.postMessage(null)
  }
  return {
    ask: () => {
      if (request !== undefined || timer !== undefined) return
      if (document.visibilityState === 'hidden') timer = setTimeout(run, HIDDEN_MS)
      else {
        request = requestAnimationFrame(run)
        timer = setTimeout(run, HIDDEN_MS)
      }
    },
    cancel: stop,
  }
}
