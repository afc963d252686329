-- Writes a tenant's queues again that Redis has lost. All that they had goes in parts, beside those that are read: 'stage' adds rows, 'flip'
-- puts them in their place. Each is refused once there are queues: their owner has written since, and what it has removed must not come
-- back. What is staged and not flipped expires.
local what, owner, token, attempt = arg(), arg(), arg(), arg()
local k, names = key('rq'), { 'requests', 'reservations' }
local function staged(name) return key('rq', 'staged:' .. owner .. ':' .. attempt .. ':' .. name) end
local function unstage() redis.call('UNLINK', staged('requests'), staged('reservations')) end

local held = redis.call('HMGET', k, 'o', 't')
if held[1] then
  unstage()
  return { 'exists', held[1], held[2] }
end
if what == 'stage' then
  local into, kept_ms = staged(arg()), arg()
  for _ = 1, tonumber(arg()) do
    local id, body = arg(), arg()
    redis.call('HSET', into, id, body)
  end
  redis.call('PEXPIRE', into, kept_ms)
  return { 'done', '' }
end

local state = arg()
for _, name in ipairs(names) do
  -- A part may have expired, or be lost by a failover.
  if redis.call('HLEN', staged(name)) ~= tonumber(arg()) then
    unstage()
    return { 'lost' }
  end
end
for _, name in ipairs(names) do
  redis.call('UNLINK', key('rq', name))
  if redis.call('EXISTS', staged(name)) == 1 then
    redis.call('RENAME', staged(name), key('rq', name))
    redis.call('PERSIST', key('rq', name))
  end
end
redis.call('HSET', k, 'o', owner, 't', token, 's', state)
return { 'done', '' }
