-- Epochs, leases and jobs of all nodes: three hashes in one slot. No clock is compared with another: a row changes with each renewal,
-- and whoever watches it takes it for dead when it has not changed for its time by the watcher's own clock. The time in a row, by
-- which nodes of earlier releases judge, grows with each renewal whatever the renewer's clock says.
local what, now = arg(), tonumber(arg())
local function newest(node) return tonumber(redis.call('HGET', key('epochs'), node) or '0') end
local function later(held, ttl) return int(math.max(now + ttl, (tonumber(held) or 0) + 1)) end
local function replace(name, field, row)
  redis.call('HDEL', key(name), field)
  redis.call('HSET', key(name), field, row)
end

-- Every lease: the node, and its row.
local function rows(answer)
  local all = redis.call('HGETALL', key('leases'))
  for i = 1, #all, 2 do answer[#answer + 1] = { all[i], all[i + 1] } end
  return answer
end

if what == 'epoch' then
  local node, max = arg(), tonumber(arg())
  if newest(node) == 0 and redis.call('HLEN', key('epochs')) >= max then return { 'full', 'the table of nodes', int(max) } end
  local epoch = math.max(now, newest(node) + 1)
  replace('epochs', node, int(epoch))
  return { 'done', int(epoch) }
elseif what == 'renew' then
  local node, epoch, role, ttl = arg(), tonumber(arg()), arg(), tonumber(arg())
  if newest(node) > epoch then return { 'fenced', int(newest(node)) } end
  local held = string.match(redis.call('HGET', key('leases'), node) or '', '^%d+ (%d+) ')
  replace('leases', node, int(epoch) .. ' ' .. later(held, ttl) .. ' ' .. role)
  return rows({ 'done' })
elseif what == 'release' then
  local node, epoch = arg(), arg()
  local held = redis.call('HGET', key('leases'), node)
  if held and string.match(held, '^(%d+) ') == epoch then redis.call('HDEL', key('leases'), node) end
  return { 'done' }
elseif what == 'live' then
  return rows({ 'done' })
elseif what == 'forget' then
  local node, seen = arg(), arg()
  if redis.call('HGET', key('leases'), node) == seen then redis.call('HDEL', key('leases'), node) end
  return { 'done' }
else
  -- `seen` is the row of a holder that has not renewed for its time.
  local job, owner, ttl, max, seen = arg(), arg(), tonumber(arg()), tonumber(arg()), arg()
  local held = redis.call('HGET', key('jobs'), job)
  local till, token, by = string.match(held or '', '^(%d+) (%d+) (.*)$')
  if held and by ~= owner then
    if held ~= seen then return { 'taken', held } end
    token = nil
  elseif not held and redis.call('HLEN', key('jobs')) >= max then
    return { 'full', 'the table of jobs', int(max) }
  end
  if held then redis.call('HDEL', key('jobs'), job) end
  if not token then
    -- Not from 1: a Redis that was emptied would give the tokens of former holders again.
    token = int(math.max(now, tonumber(redis.call('GET', key('jobtoken')) or '0') + 1))
    redis.call('SET', key('jobtoken'), token)
  end
  redis.call('HSET', key('jobs'), job, later(till, ttl) .. ' ' .. token .. ' ' .. owner)
  return { 'done', token }
end
