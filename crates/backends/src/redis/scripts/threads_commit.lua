-- Writes a turn of the one node that follows the tenant's calls.
local owner, token = arg(), arg()
local k, open = key('threads'), key('threads', 'open')
local held = redis.call('HMGET', k, 'o', 't', 'n')
if not held[1] then return { 'unknown' } end
if held[1] ~= owner or held[2] ~= token then return { 'fenced', held[1], held[2] } end
-- Triples: id, whether there is a body, the body.
local threads = args(3 * tonumber(arg()))
local view, position = arg(), arg()
local threads_max, number = tonumber(arg()), arg()
-- Written already: who got no answer asks again, and the first attempt may come late.
if number ~= '0' and done_before(held[3], token, number) then return { 'done', '' } end
local function grows()
  local there, more = redis.call('HLEN', open), 0
  if there + #threads / 3 <= threads_max then return false end
  for i = 1, #threads, 3 do
    local is_there, stays = redis.call('HEXISTS', open, threads[i]) == 1, threads[i + 1] == '1'
    if stays and not is_there then more = more + 1 elseif is_there and not stays then more = more - 1 end
  end
  return more > 0 and there + more > threads_max
end
if grows() then return { 'full', 'the open threads', int(threads_max) } end
-- Removals first: a Redis that has no room refuses a script whose first write may need some, and never one that begins by making room.
for i = 1, #threads, 3 do
  if threads[i + 1] ~= '1' then redis.call('HDEL', open, threads[i]) end
end
for i = 1, #threads, 3 do
  if threads[i + 1] == '1' then redis.call('HSET', open, threads[i], threads[i + 2]) end
end
consumed(view, position)
if number ~= '0' then redis.call('HSET', k, 'n', token .. ':' .. number) end
return { 'done', '' }
