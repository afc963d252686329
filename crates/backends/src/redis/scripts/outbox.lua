-- The right to export a tenant's stream, and how far it is out. What is out and beyond the bound goes, oldest first.
local what = arg()
local k = key('export')
local held = redis.call('HMGET', k, 'o', 't', 'u', 'p')
if what == 'take' then
  -- `seen` is what stood here of a holder that has not renewed for its time, by the clock of who has watched it.
  local owner, now, ttl, seen = arg(), tonumber(arg()), tonumber(arg()), arg()
  local token = held[2]
  if held[1] ~= owner then
    local row = held[1] and held[1] .. ' ' .. (held[2] or '') .. ' ' .. (held[3] or '')
    if row and row ~= seen then return { 'taken', row } end
    token = int((tonumber(held[2]) or 0) + 1)
  end
  -- It grows with each renewal, so that it is seen.
  redis.call('HSET', k, 'o', owner, 't', token, 'u', int(math.max(now + ttl, (tonumber(held[3]) or 0) + 1)))
  return { 'done', token, held[4] or '0-0' }
end
local token, position, keep = arg(), arg(), tonumber(arg())
if not held[1] then return { 'missing' } end
if held[2] ~= token then return { 'fenced', held[1], held[2] } end
redis.call('HSET', k, 'p', position)
local bytes = tonumber(redis.call('HGET', key('evmeta'), 'bytes') or '0')
if bytes > keep then
  for _, entry in ipairs(redis.call('XRANGE', key('ev'), '-', position, 'COUNT', 1000)) do
    if bytes <= keep then break end
    redis.call('XDEL', key('ev'), entry[1])
    bytes = bytes - #entry[2][2]
    redis.call('HSET', key('evmeta'), 'trimmed', entry[1])
  end
  redis.call('HSET', key('evmeta'), 'bytes', int(bytes))
end
return { 'done' }
