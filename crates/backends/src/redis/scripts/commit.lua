-- Writes a turn's batch of one tenant: for each write its state, its links, its facts and what it hands on, or nothing of it.
local kind = arg()
local now, remember = tonumber(arg()), tonumber(arg())
local records_max, new_calls_max, events_max = tonumber(arg()), tonumber(arg()), tonumber(arg())
local answers = {}

-- Who has one of the links already, if it is not this record.
local function taken(links, id)
  if kind ~= 'call' then return nil end
  for _, link in ipairs(links) do
    local other = redis.call('GET', link_key(kind, link))
    if other and other ~= id then
      local state, owner, token = head(kind, other)
      if state == 'live' then return { 'exists', owner, token } end
      if state == 'ended' then return { 'ended' } end
    end
  end
  return nil
end

-- Whether it was written already: who got no answer asks again, and the first attempt may come late.
local function is_done(w)
  return w.number ~= '0' and done_before(redis.call('HGET', record_key(kind, w.id), 'n'), w.token, w.number)
end

-- Who has the record that this one has become part of: its links lead there.
local function absorbed(id)
  local other = kind == 'call' and redis.call('GET', link_key(kind, '\n' .. id))
  if not other then return { 'unknown' } end
  local state, owner, token = head(kind, other)
  if state == 'live' then return { 'fenced', owner, token } end
  return { state, owner }
end

-- The answer without which nothing is written.
local function refuse(w)
  local other = taken(w.links, w.id)
  if other then return other end
  local state, owner, token, links = head(kind, w.id)
  if state == 'damaged' then return { state, owner } end
  if state ~= 'unknown' and owner == w.owner and token == w.token and is_done(w) then return { 'done', '' } end
  if w.change == 'create' then
    if state == 'live' then return { 'exists', owner, token } end
    if state == 'ended' then return { 'ended' } end
    if redis.call('ZCARD', key('ids', kind)) >= records_max then return { 'full', 'the ledger', int(records_max) } end
  elseif state == 'unknown' then
    return absorbed(w.id)
  elseif state ~= 'live' then
    return { state, owner }
  elseif owner ~= w.owner or token ~= w.token then
    return { 'fenced', owner, token }
  end
  if w.absorbs[1] then
    local of, by, with, its = head(kind, w.absorbs[1])
    if of == 'ended' or of == 'damaged' or (of == 'live' and (by ~= w.owner or with ~= w.absorbs[2])) then return { 'not absorbed' } end
    w.absorbed_links = links_of(its)
  end
  -- What begins is refused; what has begun goes on.
  local begins = w.change == 'create'
  if begins and #w.events > 0 and events_full(events_max) then
    return { 'full', 'the event stream', int(events_max) }
  end
  if begins and w.new_call ~= '' and redis.call('XLEN', key('newcalls')) >= new_calls_max then
    return { 'full', 'the stream of new calls', int(new_calls_max) }
  end
  w.held_links = links_of(links)
  return nil
end

-- A record becomes part of the written one, and its links lead there.
local function absorb(w)
  finish(kind, w.absorbs[1], w.owner, w.absorbed_links, now, 0)
  for _, link in ipairs(w.absorbed_links) do w.links[#w.links + 1] = link end
end

local function put(w)
  local k = record_key(kind, w.id)
  local links, has = w.held_links or {}, {}
  for _, link in ipairs(links) do has[link] = true end
  for _, link in ipairs(w.links) do
    if not has[link] then
      has[link] = true
      links[#links + 1] = link
      add_link(kind, link, w.id)
    end
  end
  redis.call('HSET', k, 'o', w.owner, 't', w.token, 's', w.state, 'i', w.intentions, 'l', cmsgpack.pack(links), 'c', '0')
  if w.due == '' then redis.call('HDEL', k, 'd') else redis.call('HSET', k, 'd', w.due) end
  if w.change == 'create' then
    redis.call('ZADD', key('ids', kind), 0, w.id)
    owns(kind, w.owner, w.id)
  end
end

for _ = 1, tonumber(arg()) do
  local w = { id = arg(), owner = arg(), token = arg(), change = arg(), state = arg(), intentions = arg(), due = arg() }
  w.links = args(tonumber(arg()))
  w.events = args(tonumber(arg()))
  w.new_call = arg()
  w.began_with = arg()
  w.number = arg()
  w.absorbs = args(tonumber(arg()))
  -- The first record of a batch of agents says who owns them: who has lost it owns none of the others either.
  local is_fenced = kind == 'agent' and answers[1] and answers[1][1] == 'fenced'
  local refusal = is_fenced and answers[1] or refuse(w)
  if refusal then
    answers[#answers + 1] = refusal
  else
    if w.absorbs[1] then absorb(w) end
    if w.change == 'end' then finish(kind, w.id, w.owner, w.held_links, now, remember) elseif w.change ~= 'keep' then put(w) end
    if w.number ~= '0' and (w.change ~= 'end' or remember > 0) then
      redis.call('HSET', record_key(kind, w.id), 'n', w.token .. ':' .. w.number)
    end
    local last = add_events(w.events)
    if w.new_call ~= '' then add_work('newcalls', w.new_call) end
    if w.began_with ~= '' then
      redis.call('XACK', key('newcalls'), 'readers', w.began_with)
      redis.call('XDEL', key('newcalls'), w.began_with)
    end
    answers[#answers + 1] = { 'done', last }
  end
end
local view, position = arg(), arg()
-- A writer that has lost its first record is not the owner any more: the successor reads on from its own position. One of whose records
-- nothing is known stores its position when it has written them again.
local has_lost = answers[1] and answers[1][1] == 'fenced'
for _, answer in ipairs(answers) do has_lost = has_lost or answer[1] == 'unknown' end
if not has_lost then consumed(view, position) end
return answers
