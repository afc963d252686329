-- A record of signing in: hash `auth:{tenant}:<kind>:<id>`, v value, o owner. Two sorted sets by the time of its end, in milliseconds by
-- the clock of Redis: `auth:{tenant}:live:<kind>` of ids, `auth:{tenant}:owner:<owner>` of `<kind>:<id>`. Each key expires by itself.
local verb, kind, id = arg(), arg(), arg()
local name = kind .. ':' .. id
local k, live = key('auth', name), key('auth', 'live:' .. kind)
local held = redis.call('HMGET', k, 'v', 'o')
local value, owner = held[1], held[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function of(whom) return key('auth', 'owner:' .. whom) end

-- How many a set has. Those whose time is over go first, some at a time: one comes with each write.
local function room_taken(set)
  local over = redis.call('ZRANGEBYSCORE', set, '-inf', int(now), 'LIMIT', 0, 100)
  if #over > 0 then redis.call('ZREM', set, unpack(over)) end
  return redis.call('ZCARD', set)
end

-- The refusal of a record that is new.
local function full(max)
  if not value and room_taken(live) >= max then return { 'full', 'the sign-ins of a kind', int(max) } end
end

local function forget()
  redis.call('DEL', k)
  redis.call('ZREM', live, id)
  if owner then redis.call('ZREM', of(owner), name) end
end

local function list(set, member, ttl)
  redis.call('ZADD', set, int(now + ttl), member)
  -- It stays as long as the last that it lists.
  if redis.call('PTTL', set) < ttl then redis.call('PEXPIRE', set, int(ttl)) end
end

-- Keeps a value in place of the one before; the removal comes first: Redis without memory refuses a script whose first write may need some.
local function keep(new, whom, ttl)
  if value then forget() end
  if ttl <= 0 then return end
  redis.call('HSET', k, 'v', new)
  redis.call('PEXPIRE', k, int(ttl))
  list(live, id, ttl)
  if whom then
    redis.call('HSET', k, 'o', whom)
    list(of(whom), name, ttl)
  end
end

if verb == 'put' then
  local new, ttl, max, whom, owned_max = arg(), tonumber(arg()), tonumber(arg()), arg(), tonumber(arg())
  local refusal = ttl > 0 and full(max)
  if refusal then return refusal end
  if whom == '' then
    whom = nil
  elseif ttl > 0 and owner ~= whom and room_taken(of(whom)) >= owned_max then
    return { 'full', 'the sign-ins of one owner', int(owned_max) }
  end
  keep(new, whom, ttl)
  return { 'done' }
elseif verb == 'claim' then
  local new, ttl, max = arg(), tonumber(arg()), tonumber(arg())
  if value then return { 'held' } end
  local refusal = ttl > 0 and full(max)
  if refusal then return refusal end
  keep(new, nil, ttl)
  return { 'done' }
elseif verb == 'replace' then
  local seen, new, ttl = arg(), arg(), tonumber(arg())
  if value ~= seen then return { 'other' } end
  keep(new, owner or nil, ttl)
  return { 'done' }
elseif verb == 'is' then
  local begin, length = arg(), tonumber(arg())
  if value and #value == length and string.sub(value, 1, #begin) == begin then return { 'done' } end
  return { 'other' }
else
  forget()
  return { 'done' }
end
