-- Posts a request to a recipient.
local stream, body, max, keep_ms = arg(), arg(), tonumber(arg()), arg()
if redis.call('XLEN', key(stream)) >= max then return { 'full', 'the request stream', int(max) } end
local id = add_work(stream, body)
-- A recipient that is gone for good leaves nothing behind.
redis.call('PEXPIRE', key(stream), keep_ms)
return { 'done', id }
