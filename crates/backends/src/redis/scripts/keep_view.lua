-- Keeps a view with its position for a while: it goes by itself unless it is written again.
local k, position, state, kept_ms = key('view', arg()), arg(), arg(), arg()
redis.call('HSET', k, 'p', position, 's', state)
redis.call('PEXPIRE', k, kept_ms)
return { 'done' }
