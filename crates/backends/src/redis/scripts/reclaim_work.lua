-- What is held of a shared stream: said, or taken over as it was seen.
local what, stream, by = arg(), arg(), arg()
local k = key(stream)
if redis.call('EXISTS', k) == 0 then return {} end
if what == 'held' then
  local held = {}
  for _, entry in ipairs(redis.call('XPENDING', k, 'readers', '-', '+', tonumber(arg()))) do
    held[#held + 1] = { entry[1], entry[2], int(entry[4]) }
  end
  -- A reader asks at least each minute. One that has not for so long, by the clock of Redis alone, and that holds nothing, is of an
  -- epoch that is over; should it ask after all it is made again.
  local silent = tonumber(arg())
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', k, 'readers')) do
    local is = {}
    for i = 1, #consumer, 2 do is[consumer[i]] = consumer[i + 1] end
    if is['name'] ~= by and is['pending'] == 0 and is['idle'] > silent then
      redis.call('XGROUP', 'DELCONSUMER', k, 'readers', is['name'])
    end
  end
  return held
end
-- Triples: the entry, who held it, how often it was given out: given to nobody else since it was seen.
local seen = args(3 * tonumber(arg()))
-- How long ago each was posted, by the clock of Redis alone.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local given = {}
for i = 1, #seen, 3 do
  local held = redis.call('XPENDING', k, 'readers', seen[i], seen[i], 1)[1]
  if held and held[2] == seen[i + 1] and int(held[4]) == seen[i + 2] then
    local deliveries = held[4] + 1
    local entry = redis.call('XCLAIM', k, 'readers', by, 0, seen[i], 'RETRYCOUNT', int(deliveries))[1]
    if entry then
      local age = math.max(0, now - tonumber(string.match(entry[1], '^%d+')))
      given[#given + 1] = { entry[1], int(deliveries), entry[2][2], int(age) }
    end
    -- Whoever has lost all that it held is gone: its entries are never dropped with it.
    if #redis.call('XPENDING', k, 'readers', '-', '+', 1, seen[i + 1]) == 0 then
      redis.call('XGROUP', 'DELCONSUMER', k, 'readers', seen[i + 1])
    end
  end
end
return given
