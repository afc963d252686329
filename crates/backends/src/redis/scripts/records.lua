-- Put before the scripts on records. Hash `<kind>:{tenant}:<key>`: o owner, t token, s state, i intentions, d due, l links (packed),
-- e ended (until when, by the clock of who ended it, as nodes of earlier releases read it), n the token and the number of the last write, c how often it has changed hands since its
-- owner last wrote it (none: never); an ended one keeps o, t, l, e and n.
-- Set `owned:{tenant}:<kind>:<owner>`; sorted set `ids:{tenant}:<kind>`, all with the same score, so that it is in the order of the
-- keys; hash `owners:{tenant}:<kind>` counts the records of each owner.
local function record_key(kind, id) return key(kind, id) end

local function link_key(kind, link)
  if kind == 'call' then return key('dialog', link) end
  return key('of', link)
end

local function add_link(kind, link, id)
  -- One call has a dialog for itself; a call may have several sessions.
  if kind == 'call' then redis.call('SET', link_key(kind, link), id)
  else redis.call('SADD', link_key(kind, link), id) end
end

local function drop_link(kind, link, id)
  if kind ~= 'call' then redis.call('SREM', link_key(kind, link), id)
  elseif redis.call('GET', link_key(kind, link)) == id then redis.call('DEL', link_key(kind, link)) end
end

-- Links that cannot be read are none: what they named comes back by itself.
local function links_of(packed)
  if not packed or packed == '' then return {} end
  local is_read, links = pcall(cmsgpack.unpack, packed)
  if is_read and type(links) == 'table' then return links end
  return {}
end

local function owns(kind, owner, id)
  if redis.call('SADD', key('owned', kind .. ':' .. owner), id) == 1 then
    redis.call('HINCRBY', key('owners', kind), owner, 1)
  end
end

local function owns_no_more(kind, owner, id)
  if redis.call('SREM', key('owned', kind .. ':' .. owner), id) == 1
    and redis.call('HINCRBY', key('owners', kind), owner, -1) <= 0 then
    redis.call('HDEL', key('owners', kind), owner)
  end
end

-- The head of a record: 'live', owner, token, links; 'ended', owner, token; 'unknown'; or 'damaged', why. An ended one is there for as
-- long as it is remembered: Redis alone measures the time, and callers' clocks may be apart.
local function head(kind, id)
  local found = redis.pcall('HMGET', record_key(kind, id), 'o', 't', 'l', 'e')
  if found.err then return 'damaged', found.err end
  if found[4] then return 'ended', found[1], found[2] end
  if not found[1] then return 'unknown' end
  return 'live', found[1], found[2], found[3]
end

-- A live record as it is answered; one that cannot be read is answered by its key alone.
local function record(kind, id)
  local r = redis.call('HMGET', record_key(kind, id), 'o', 't', 's', 'i', 'd', 'c')
  return { id, r[1], r[2], r[3], r[4], r[5] or '', r[6] or '0' }
end

-- Ends a record, and remembers it for so long, together with its dialogs.
local function finish(kind, id, owner, links, now, remember)
  local k = record_key(kind, id)
  redis.call('ZREM', key('ids', kind), id)
  owns_no_more(kind, owner, id)
  if remember == 0 or kind ~= 'call' then
    for _, link in ipairs(links) do drop_link(kind, link, id) end
  end
  if remember == 0 then
    redis.call('DEL', k)
    return
  end
  redis.call('HDEL', k, 's', 'i', 'd', 'c')
  redis.call('HSET', k, 'e', int(now + remember))
  local ms = int(remember / 1000)
  redis.call('PEXPIRE', k, ms)
  if kind == 'call' then
    for _, link in ipairs(links) do redis.call('PEXPIRE', link_key(kind, link), ms) end
  end
end
