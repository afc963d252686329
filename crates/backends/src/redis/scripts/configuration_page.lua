-- A page of the documents of a generation, and where the next one begins. Within a generation none goes: those that are deleted
-- stay, without a body.
local generation, cursor, count = arg(), arg(), arg()
if redis.call('HGET', key('cfg', 'state'), 'g') ~= generation then return { 'other' } end
local page = redis.call('HSCAN', key('cfg', 'documents'), cursor, 'COUNT', count)
return { 'page', page[1], page[2] }
