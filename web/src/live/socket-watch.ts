/** Whether the other end of a WebSocket is there still: an idle path may be dead for minutes before a browser says so. By the pings of RFC 5626 section 3.5.1, as RFC 7118 has them. */

const PING = '\r\n\r\n'
/** So often it is asked. A hidden tab does so once a minute, which its browser allows. */
const EACH_MS = 20_000
/** Nothing is heard for so long after a question: there is no way any more. */
const ANSWERED_MS = 8_000

export type WatchedSocket = Pick<WebSocket, 'readyState' | 'send' | 'addEventListener' | 'removeEventListener'>

const OPEN = 1

/** Asks now and then, until the answer is called, or it is told once that nothing was heard. */
export function watchSocket(socket: WatchedSocket, isDead: () => void): () => void {
  let answer: ReturnType<typeof setTimeout> | undefined
  // Whatever comes is a sign of life.
  const heard = (): void => {
    clearTimeout(answer)
    answer = undefined
  }
  const end = (): void => {
    clearInterval(asking)
    heard()
    socket.removeEventListener('message', heard)
  }
  const asking = setInterval(() => {
    // Its end is told by itself.
    if (socket.readyState !== OPEN) return end()
    if (answer !== undefined) return
    answer = setTimeout(() => {
      end()
      isDead()
    }, ANSWERED_MS)
    socket.send(PING)
  }, EACH_MS)
  socket.addEventListener('message', heard)
  return end
}
