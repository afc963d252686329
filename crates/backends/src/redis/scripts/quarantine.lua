-- Quarantine. Sorted set `asides:{tenant}`: members `<id> <bytes> <when>` by their ids, which grow. Hash
-- `aside:{tenant}:<id>`: k ledger, r key, o owner, t token, y why, p report, s state, i intentions, d due, l links (packed),
-- a when, b bytes. Hash `asidemeta:{tenant}`: the last id, and how many were dropped.
local what, now, kept, max, max_bytes = arg(), tonumber(arg()), tonumber(arg()), tonumber(arg()), tonumber(arg())
local function entry(id) return key('aside', id) end

local function remove(member)
  redis.call('ZREM', key('asides'), member)
  redis.call('DEL', entry(string.match(member, '^%d+')))
end

-- Drops what is over and, the oldest first, what there is no room for.
local function sweep()
  local members = redis.call('ZRANGE', key('asides'), 0, -1)
  local count, bytes = #members, 0
  for _, member in ipairs(members) do bytes = bytes + tonumber(string.match(member, '^%d+ (%d+)')) end
  for _, member in ipairs(members) do
    local size, at = string.match(member, '^%d+ (%d+) (%d+)$')
    if tonumber(at) + kept > now and count <= max and bytes <= max_bytes then break end
    count, bytes = count - 1, bytes - tonumber(size)
    remove(member)
    redis.call('HINCRBY', key('asidemeta'), 'dropped', 1)
  end
end

-- What is listed of one; nothing where there is none.
local function listed(id)
  local e = redis.call('HMGET', entry(id), 'k', 'r', 'o', 't', 'y', 'a', 'b')
  if not e[1] then return nil end
  return { id, e[1], e[2], e[3], e[4], e[5], e[6], e[7] }
end

if what == 'put' then
  local kind, remember, id, owner, token, why, report = arg(), tonumber(arg()), arg(), arg(), arg(), arg(), arg()
  local events = args(tonumber(arg()))
  local state, held_owner, held_token, links = head(kind, id)
  if state ~= 'live' then return { state } end
  if held_owner ~= owner or held_token ~= token then return { 'fenced', held_owner, held_token } end
  local r = redis.call('HMGET', record_key(kind, id), 's', 'i', 'd')
  local bytes = #(r[1] or '') + #(r[2] or '') + #report + #why
  local number = redis.call('HINCRBY', key('asidemeta'), 'last', 1)
  redis.call('HSET', entry(number), 'k', kind, 'r', id, 'o', owner, 't', token, 'y', why, 'p', report, 's', r[1] or '',
    'i', r[2] or '', 'd', r[3] or '', 'l', links or '', 'a', int(now), 'b', int(bytes))
  redis.call('ZADD', key('asides'), int(number), int(number) .. ' ' .. int(bytes) .. ' ' .. int(now))
  finish(kind, id, owner, links_of(links), now, remember)
  local last = add_events(events)
  sweep()
  -- A tenant that is gone leaves nothing behind.
  local ms = int(kept / 1000 * 2)
  redis.call('PEXPIRE', entry(number), ms)
  redis.call('PEXPIRE', key('asides'), ms)
  return { 'done', last }
end

if what == 'damaged' then
  -- A record that no owner can hold: found among those of `owner`, it is put aside with what can be read of it.
  local kind, remember, id, owner, to, why = arg(), tonumber(arg()), arg(), arg(), arg(), arg()
  local state = head(kind, id)
  if state == 'ended' or state == 'unknown' then return { 'done' } end
  local r = redis.pcall('HMGET', record_key(kind, id), 't', 's', 'i', 'd', 'l')
  if r.err then r = {} end
  local number = redis.call('HINCRBY', key('asidemeta'), 'last', 1)
  local bytes = #(r[2] or '') + #(r[3] or '') + #why
  redis.call('HSET', entry(number), 'k', kind, 'r', id, 'o', to, 't', int(tonumber(r[1]) or 1), 'y', why, 'p', '', 's', r[2] or '',
    'i', r[3] or '', 'd', r[4] or '', 'l', r[5] or '', 'a', int(now), 'b', int(bytes))
  redis.call('ZADD', key('asides'), int(number), int(number) .. ' ' .. int(bytes) .. ' ' .. int(now))
  local links = links_of(r[5])
  redis.call('DEL', record_key(kind, id))
  redis.call('HSET', record_key(kind, id), 'o', to, 't', int(tonumber(r[1]) or 1), 'l', cmsgpack.pack(links))
  finish(kind, id, owner, links, now, remember)
  sweep()
  return { 'done' }
end

sweep()
if what == 'list' then
  local answer = { 'list' }
  for _, member in ipairs(redis.call('ZRANGE', key('asides'), 0, -1)) do
    answer[#answer + 1] = listed(string.match(member, '^%d+'))
  end
  return answer
end
local id = arg()
local e = redis.call('HMGET', entry(id), 'k', 'r', 't', 'p', 's', 'i', 'd', 'l', 'b', 'a')
if not e[1] then return { 'unknown' } end
if what == 'read' then return { 'aside', listed(id), e[4], e[5], e[6], e[7] } end
if what == 'release' then
  local kind, record, owner = e[1], e[2], arg()
  if head(kind, record) == 'live' then return { 'exists' } end
  local links = {}
  for _, link in ipairs(links_of(e[8])) do
    -- A dialog that another call has by now stays with that.
    local other = kind == 'call' and redis.call('GET', link_key(kind, link))
    if not other or other == record then links[#links + 1] = link end
  end
  redis.call('DEL', record_key(kind, record))
  redis.call('HSET', record_key(kind, record), 'o', owner, 't', int(tonumber(e[3]) + 1), 's', e[5], 'i', e[6],
    'l', cmsgpack.pack(links), 'c', '1')
  if e[7] ~= '' then redis.call('HSET', record_key(kind, record), 'd', e[7]) end
  redis.call('ZADD', key('ids', kind), 0, record)
  owns(kind, owner, record)
  for _, link in ipairs(links) do add_link(kind, link, record) end
end
remove(id .. ' ' .. e[9] .. ' ' .. e[10])
return { 'done' }
