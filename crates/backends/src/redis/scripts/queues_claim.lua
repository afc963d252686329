-- Takes the tenant's queues over ('claim'), or reads them: 'whole', their waiting 'requests', or their 'head', which says who owns them.
local by, seen, what = arg(), arg(), arg()
local k = key('rq')
local held = redis.call('HMGET', k, 'o', 't', 's')
if what == 'claim' then
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
elseif not held[1] then return { 'unknown' } end
-- Very many rows go by pages: nobody but their owner writes them.
if what == 'claim' then
  local count = { redis.call('HLEN', key('rq', 'requests')), redis.call('HLEN', key('rq', 'reservations')) }
  if count[1] + count[2] > tonumber(arg()) then
    return { 'paged', held[1], held[2], held[3] or '', int(count[1]), int(count[2]), redis.call('GET', key('read', 'rq')) or '' }
  end
end
if what == 'head' then return { 'yours', held[1], held[2] } end
local requests = redis.call('HGETALL', key('rq', 'requests'))
if what == 'requests' then return { 'yours', held[1], held[2], '', requests } end
return { 'yours', held[1], held[2], held[3] or '', requests, redis.call('HGETALL', key('rq', 'reservations')),
  redis.call('GET', key('read', 'rq')) or '' }
