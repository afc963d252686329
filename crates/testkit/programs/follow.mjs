// Follows events by Node's own WebSocket: node --experimental-websocket follow.mjs URL FIRST_MESSAGE. Prints each message, then the close code.
const [url, first] = process.argv.slice(2);
const socket = new WebSocket(url);
socket.addEventListener('open', () => socket.send(first));
socket.addEventListener('message', (message) => console.log(message.data));
socket.addEventListener('close', (close) => {
  console.log(JSON.stringify({ type: 'closed', code: close.code }));
  process.exit(0);
});
