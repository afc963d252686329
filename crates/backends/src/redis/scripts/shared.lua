-- Put before every script: keys, facts, waking of readers.
-- All keys of a script carry the tag of KEYS[1], so that they stand in one slot of a Redis Cluster.
local TAG = ARGV[1]
local position_in_args = 1
local function arg()
  position_in_args = position_in_args + 1
  return ARGV[position_in_args]
end
local function args(n)
  local list = {}
  for i = 1, n do list[i] = arg() end
  return list
end
local function key(name, rest)
  if rest then return name .. ':' .. TAG .. ':' .. rest end
  return name .. ':' .. TAG
end
local function int(n) return string.format('%.0f', n) end

-- Whether a position in a stream is after another.
local function later(a, b)
  local am, as = string.match(a, '(%d+)-(%d+)')
  local bm, bs = string.match(b, '(%d+)-(%d+)')
  am, as, bm, bs = tonumber(am), tonumber(as), tonumber(bm), tonumber(bs)
  return am > bm or (am == bm and as > bs)
end

-- Tells readers, once for each stream that has something new.
local woken = {}
local function wake(stream)
  if not woken[stream] then
    woken[stream] = true
    redis.call('PUBLISH', 'trunkline:wake', TAG .. ' ' .. stream)
  end
end

-- Whether the stream of facts has room.
local function events_full(hard)
  return tonumber(redis.call('HGET', key('evmeta'), 'bytes') or '0') >= hard
end

-- Adds facts, to be read by all ('e'), or by the reporting log alone: told again ('r') or a correction ('c'). The position of the last.
local function add_events(events, for_whom)
  local last = ''
  local bytes = 0
  for _, event in ipairs(events) do
    last = redis.call('XADD', key('ev'), '*', for_whom or 'e', event)
    if bytes == 0 then redis.call('HSETNX', key('evmeta'), 'born', last) end
    bytes = bytes + #event
  end
  if last ~= '' then
    redis.call('HINCRBY', key('evmeta'), 'bytes', bytes)
    redis.call('HSET', key('evmeta'), 'end', last)
    if for_whom ~= 'c' then wake('ev') end
  end
  return last
end

-- Adds an entry to a stream that consumers share.
local function add_work(stream, body)
  local k = key(stream)
  if redis.call('EXISTS', k) == 0 then redis.call('XGROUP', 'CREATE', k, 'readers', '0', 'MKSTREAM') end
  local id = redis.call('XADD', k, '*', 'b', body)
  wake(stream)
  return id
end

-- Whether the number of a record's last write, with its token, says that this one was done before.
local function done_before(last, token, number)
  local last_token, last_number = string.match(last or '', '^(%d+):(%d+)$')
  return last_token == token and tonumber(last_number) >= tonumber(number)
end

-- How far a view has read. What it has not read is trimmed later than the rest. A write that comes twice, late, takes nothing back.
local function consumed(view, position)
  if view == '' then return end
  local before = redis.call('GET', key('read', view))
  if before and not later(position, before) then return end
  redis.call('SET', key('read', view), position)
  redis.call('SADD', key('readers'), view)
end
