-- Epochs, leases and jobs of all nodes: three hashes in one slot.
local what, now = arg(), tonumber(arg())
local function newest(node) return tonumber(redis.call('HGET', key('epochs'), node) or '0') end
if what == 'epoch' then
  local node, max = arg(), tonumber(arg())
  if newest(node) == 0 and redis.call('HLEN', key('epochs')) >= max then return { 'full', 'the table of nodes', int(max) } end
  local epoch = math.max(now, newest(node) + 1)
  redis.call('HSET', key('epochs'), node, int(epoch))
  return { 'done', int(epoch) }
elseif what == 'renew' then
  local node, epoch, role, ttl = arg(), tonumber(arg()), arg(), tonumber(arg())
  if newest(node) > epoch then return { 'fenced', int(newest(node)) } end
  redis.call('HSET', key('leases'), node, int(epoch) .. ' ' .. int(now + ttl) .. ' ' .. role)
  return { 'done' }
elseif what == 'release' then
  local node, epoch = arg(), arg()
  local held = redis.call('HGET', key('leases'), node)
  if held and string.match(held, '^(%d+) ') == epoch then redis.call('HDEL', key('leases'), node) end
  return { 'done' }
elseif what == 'live' then
  local role = arg()
  local answer = {}
  local all = redis.call('HGETALL', key('leases'))
  for i = 1, #all, 2 do
    local epoch, till, of = string.match(all[i + 1], '^(%d+) (%d+) (.*)$')
    if tonumber(till) <= now - 3600000 then redis.call('HDEL', key('leases'), all[i])
    elseif of == role and tonumber(till) > now then answer[#answer + 1] = { all[i] .. '.' .. epoch, till } end
  end
  return answer
else
  local job, owner, ttl, max = arg(), arg(), tonumber(arg()), tonumber(arg())
  local held = redis.call('HGET', key('jobs'), job)
  local token
  if held then
    local till, held_token, by = string.match(held, '^(%d+) (%d+) (.*)$')
    if by == owner then token = held_token
    elseif tonumber(till) > now then return { 'taken' } end
  elseif redis.call('HLEN', key('jobs')) >= max then
    return { 'full', 'the table of jobs', int(max) }
  end
  token = token or int(redis.call("INCR", key("jobtoken")))
  redis.call('HSET', key('jobs'), job, int(now + ttl) .. ' ' .. token .. ' ' .. owner)
  return { 'done', token }
end
