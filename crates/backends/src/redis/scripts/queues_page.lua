-- A page of the rows of queues that are this owner's by this token, and where the next one begins.
local owner, token, name, cursor, count = arg(), arg(), arg(), arg(), arg()
local held = redis.call('HMGET', key('rq'), 'o', 't')
if held[1] ~= owner or held[2] ~= token then return { 'other' } end
local page = redis.call('HSCAN', key('rq', name), cursor, 'COUNT', count)
return { 'page', page[1], page[2] }
