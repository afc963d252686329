-- Keeps a view with its position, if nobody has written it since the writer has read it.
local k, has_seen, seen, position, state = key('view', arg()), arg() == '1', arg(), arg(), arg()
local held = redis.call('HGET', k, 'p')
if has_seen ~= (held ~= false) or (has_seen and held ~= seen) then return { 'conflict' } end
redis.call('HSET', k, 'p', position, 's', state)
return { 'done' }
