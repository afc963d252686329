-- Takes the tenant's queues over, or reads them.
local by, seen, only_read = arg(), arg(), arg() == '1'
local k = key('rq')
local held = redis.call('HMGET', k, 'o', 't', 's')
if only_read then
  if not held[1] then return { 'unknown' } end
else
  local token
  -- The first not from 1: a Redis that was emptied would give the tokens of former owners again, and readers drop facts that they know.
  if not held[1] then token = redis.call('TIME')[1]
  elseif held[1] ~= by and seen ~= '' and seen ~= held[2] then return { 'raced', held[1], held[2] }
  -- Its own owner's next run too: its events count from 1 within the token.
  else token = int(tonumber(held[2]) + 1) end
  -- A removal first: a Redis that has no room refuses a script whose first write may need some.
  redis.call('HDEL', k, 't')
  redis.call('HSET', k, 'o', by, 't', token)
  held[1], held[2] = by, token
end
return { 'yours', held[1], held[2], held[3] or '', redis.call('HGETALL', key('rq', 'requests')),
  redis.call('HGETALL', key('rq', 'reservations')), redis.call('GET', key('read', 'rq')) or '' }
