-- The documents that changed after a revision, or all that are there.
local generation, revision = arg(), tonumber(arg())
local held = redis.call('HMGET', key('cfg', 'state'), 'g', 'r')
if not held[1] then return { 'missing' } end
local changes = generation == held[1] and revision <= tonumber(held[2])
local answer = { changes and 'changes' or 'whole', held[1], held[2] }
if changes then
  if revision == tonumber(held[2]) then return answer end
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', key('cfg', 'changes'), '(' .. int(revision), '+inf')) do
    answer[#answer + 1] = { name, redis.call('HGET', key('cfg', 'documents'), name) }
  end
  return answer
end
local all = redis.call('HGETALL', key('cfg', 'documents'))
for i = 1, #all, 2 do answer[#answer + 1] = { all[i], all[i + 1] } end
return answer
