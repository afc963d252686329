-- Publishes configuration: everything, or what changed.
local generation, revision, whole = tonumber(arg()), tonumber(arg()), arg() == '1'
local k = key('cfg', 'state')
local held = redis.call('HMGET', k, 'g', 'r')
local g, r = tonumber(held[1] or '0'), tonumber(held[2] or '0')
if generation < g or (generation == g and revision <= r) then return { 'conflict', int(r) } end
if whole then redis.call('DEL', key('cfg', 'documents'), key('cfg', 'changes')) end
for _ = 1, tonumber(arg()) do
  local name, written, has_body, body = arg(), arg(), arg(), arg()
  -- The revision before the body, so that a reader of changes can tell them by the sorted set and the hash alone.
  redis.call('HSET', key('cfg', 'documents'), name, written .. ' ' .. has_body .. ' ' .. body)
  redis.call('ZADD', key('cfg', 'changes'), written, name)
end
redis.call('HSET', k, 'g', int(generation), 'r', int(revision))
wake('cfg')
return { 'done' }
