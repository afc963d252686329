-- The right to export a tenant's stream, and how far it is out. What is out and beyond the bound goes, oldest first;
-- the bound is larger for what a view has not read yet.
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
    -- The first not from 1: a Redis that was emptied would give the tokens of former exporters again.
    token = int(held[2] and tonumber(held[2]) + 1 or now)
  end
  -- A removal first: a Redis that has no room refuses a script whose first write may need some, and it gets room by what is exported.
  redis.call('HDEL', k, 'u')
  -- It grows with each renewal, so that it is seen.
  redis.call('HSET', k, 'o', owner, 't', token, 'u', int(math.max(now + ttl, (tonumber(held[3]) or 0) + 1)))
  return { 'done', token, held[4] or '0-0' }
end
local token, position, keep, keep_unread = arg(), arg(), tonumber(arg()), tonumber(arg())
if not held[1] then return { 'missing' } end
if held[2] ~= token then return { 'fenced', held[1], held[2] } end
redis.call('HDEL', k, 'p')
redis.call('HSET', k, 'p', position)

-- How far the slowest view has read. One that was passed over is told so at its next read, and holds nothing back any more.
local function slowest()
  local trimmed = redis.call('HGET', key('evmeta'), 'trimmed') or '0-0'
  local read
  for _, view in ipairs(redis.call('SMEMBERS', key('readers'))) do
    local at = redis.call('GET', key('read', view))
    if at and not later(trimmed, at) and (not read or later(read, at)) then read = at end
  end
  return read
end

local bytes = tonumber(redis.call('HGET', key('evmeta'), 'bytes') or '0')
local function trim()
  local read = slowest()
  for _ = 1, 50 do
    local oldest = redis.call('XRANGE', key('ev'), '-', position, 'COUNT', 20)
    for _, entry in ipairs(oldest) do
      local bound = keep
      if read and later(entry[1], read) then bound = keep_unread end
      if bytes <= bound then return end
      redis.call('XDEL', key('ev'), entry[1])
      bytes = bytes - #entry[2][2]
      redis.call('HSET', key('evmeta'), 'trimmed', entry[1])
    end
    if #oldest < 20 then return end
  end
end
if bytes > keep then
  trim()
  redis.call('HSET', key('evmeta'), 'bytes', int(bytes))
end
return { 'done' }
