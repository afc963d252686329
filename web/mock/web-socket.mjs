// WebSockets (RFC 6455) of the mock: text messages alone, as SIP sends them.

import { createHash } from 'node:crypto'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const [TEXT, CLOSE, PING, PONG] = [0x1, 0x8, 0x9, 0xa]

/** Takes an upgrade; `onText` gets each message, `onEnd` is told once. The answer sends and ends. */
export function accept(request, socket, protocol, { onText, onEnd }) {
  const key = createHash('sha1').update(request.headers['sec-websocket-key'] + GUID).digest('base64')
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`)
  let held = Buffer.alloc(0)
  let parts = []
  const send = (opcode, payload) => {
    const body = Buffer.from(payload)
    const head = body.length < 126 ? Buffer.from([0x80 | opcode, body.length]) : Buffer.from([0x80 | opcode, 126, body.length >> 8, body.length & 0xff])
    if (!socket.destroyed) socket.write(Buffer.concat([head, body]))
  }
  const taken = ({ opcode, isLast, payload }) => {
    if (opcode === CLOSE) return socket.end()
    if (opcode === PING) return send(PONG, payload)
    if (opcode === PONG) return undefined
    parts.push(payload)
    if (!isLast) return undefined
    const text = Buffer.concat(parts).toString('utf8')
    parts = []
    return onText(text)
  }
  socket.on('data', (data) => {
    held = Buffer.concat([held, data])
    for (let frame = frameIn(held); frame !== undefined; frame = frameIn(held)) {
      held = held.subarray(frame.length)
      taken(frame)
    }
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', onEnd)
  return { send: (text) => send(TEXT, text), end: () => socket.destroy() }
}

/** The first frame, which a client has masked; undefined while it is not whole. */
function frameIn(data) {
  if (data.length < 2) return undefined
  const short = data[1] & 0x7f
  const at = short < 126 ? 2 : short === 126 ? 4 : 10
  if (data.length < at + 4) return undefined
  const size = short < 126 ? short : short === 126 ? data.readUInt16BE(2) : Number(data.readBigUInt64BE(2))
  if (data.length < at + 4 + size) return undefined
  const mask = data.subarray(at, at + 4)
  const payload = Buffer.from(data.subarray(at + 4, at + 4 + size).map((byte, index) => byte ^ mask[index % 4]))
  return { opcode: data[0] & 0xf, isLast: (data[0] & 0x80) !== 0, payload, length: at + 4 + size }
}
