-- Publishes configuration. 'changes': what has changed since the version that the cache must have. A whole state goes in parts, beside the
-- one that is read: 'begin' gives it a number of its own, 'stage' adds documents, 'flip' puts it in the place of the other. Each is refused
-- once this generation or a later one is there. What a publisher has staged and not flipped expires. 'withdraw' takes all of it away, and says so.
local what, generation, revision = arg(), tonumber(arg()), tonumber(arg())
local state, documents, changes = key('cfg', 'state'), key('cfg', 'documents'), key('cfg', 'changes')
local held = redis.call('HMGET', state, 'g', 'r')
local g, r = tonumber(held[1] or '0'), tonumber(held[2] or '0')

-- The revision before the body, so that a reader of changes can tell them by the sorted set and the hash alone.
local function put(into)
  local name, written, has_body, body = arg(), arg(), arg(), arg()
  return redis.call('HSET', into, name, written .. ' ' .. has_body .. ' ' .. body), written, name
end

if what == 'withdraw' then
  redis.call('UNLINK', documents, changes)
  -- The number of what is staged stays: none is given twice.
  redis.call('HDEL', state, 'g', 'r', 'w')
  redis.call('HSET', state, 'x', '1')
  wake('cfg')
  return { 'done' }
end

if what == 'changes' then
  local base_generation, base_revision = tonumber(arg()), tonumber(arg())
  local is_later = generation > g or (generation == g and revision > r)
  if not is_later or base_generation ~= g or base_revision ~= r then return { 'conflict', int(r) } end
  for _ = 1, tonumber(arg()) do
    local _, written, name = put(documents)
    redis.call('ZADD', changes, written, name)
  end
  redis.call('HSET', state, 'g', int(generation), 'r', int(revision))
  wake('cfg')
  return { 'done' }
end

-- Within a generation no document goes, on which readers of pages rely.
local is_late = generation <= g
if what == 'begin' then
  if is_late then return { 'conflict', int(r) } end
  return { 'done', int(redis.call('HINCRBY', state, 'n', 1)) }
end

local staged = key('cfg', 'staged:' .. int(generation) .. ':' .. arg())
if is_late then
  redis.call('UNLINK', staged)
  return { 'conflict', int(r) }
end
if what == 'stage' then
  local kept_ms, added = arg(), 0
  for _ = 1, tonumber(arg()) do added = added + put(staged) end
  redis.call('PEXPIRE', staged, kept_ms)
  return { 'done', int(added) }
end

-- A part may have expired, or be lost by a failover.
local count = tonumber(arg())
if redis.call('HLEN', staged) ~= count then
  redis.call('UNLINK', staged)
  return { 'lost' }
end
redis.call('UNLINK', documents, changes)
if count > 0 then
  redis.call('RENAME', staged, documents)
  redis.call('PERSIST', documents)
end
redis.call('HSET', state, 'g', int(generation), 'r', int(revision), 'w', int(generation) .. ':' .. int(revision))
redis.call('HDEL', state, 'x')
wake('cfg')
return { 'done' }
