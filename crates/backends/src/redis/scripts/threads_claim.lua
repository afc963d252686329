-- Takes the tenant's open threads over from whoever has them.
local by, view = arg(), arg()
local k = key('threads')
local token = int(tonumber(redis.call('HGET', k, 't') or '0') + 1)
-- A removal first: a Redis that has no room refuses a script whose first write may need some.
redis.call('HDEL', k, 't')
redis.call('HSET', k, 'o', by, 't', token)
return { 'yours', token, redis.call('GET', key('read', view)) or '' }
