-- Writes a turn of the tenant's one router, or a part of a large one.
local owner, token, events_max = arg(), arg(), tonumber(arg())
local k = key('rq')
local held = redis.call('HMGET', k, 'o', 't', 'n')
if not held[1] then return { 'unknown' } end
if held[1] ~= owner or held[2] ~= token then return { 'fenced', held[1], held[2] } end
-- Triples: id, whether there is a body, the body.
local function items() return args(3 * tonumber(arg())) end
local has_state, state = arg(), arg()
local requests = items()
local reservations = items()
local events = args(tonumber(arg()))
local view, position = arg(), arg()
local records_max, number = tonumber(arg()), arg()
-- Written already: who got no answer asks again, and the first attempt may come late.
if number ~= '0' and done_before(held[3], token, number) then return { 'done', '' } end
-- How many there are more afterwards: a removal is never refused, nor what only changes what is there.
local function grows(name, list)
  local held, more = redis.call('HLEN', key('rq', name)), 0
  if held + #list / 3 <= records_max then return false end
  for i = 1, #list, 3 do
    local there, stays = redis.call('HEXISTS', key('rq', name), list[i]) == 1, list[i + 1] == '1'
    if stays and not there then more = more + 1 elseif there and not stays then more = more - 1 end
  end
  return more > 0 and held + more > records_max
end
if grows('requests', requests) or grows('reservations', reservations) then return { 'full', 'the queues', int(records_max) } end
if #events > 0 and events_max > 0 and events_full(events_max) then return { 'full', 'the event stream', int(events_max) } end
-- Removals first: a Redis that has no room refuses a script whose first write may need some, and never one that begins by making room.
local function remove(name, list)
  for i = 1, #list, 3 do
    if list[i + 1] ~= '1' then redis.call('HDEL', key('rq', name), list[i]) end
  end
end
local function put(name, list)
  for i = 1, #list, 3 do
    if list[i + 1] == '1' then redis.call('HSET', key('rq', name), list[i], list[i + 2]) end
  end
end
remove('requests', requests)
remove('reservations', reservations)
if has_state == '1' then redis.call('HSET', k, 's', state) end
put('requests', requests)
put('reservations', reservations)
local last = add_events(events)
consumed(view, position)
if number ~= '0' then redis.call('HSET', k, 'n', token .. ':' .. number) end
return { 'done', last }
