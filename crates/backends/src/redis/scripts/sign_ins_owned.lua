-- The records of signing in of an owner with their values, those first that end first. Names of records that are over are taken out of
-- the list on the way; a Redis that takes no writes answers all the same.
local owner, max = arg(), tonumber(arg())
local set = key('auth', 'owner:' .. owner)
local owned = {}
for _, name in ipairs(redis.call('ZRANGE', set, 0, -1)) do
  local held = redis.call('HMGET', key('auth', name), 'v', 'o')
  if not held[1] or held[2] ~= owner then
    redis.pcall('ZREM', set, name)
  elseif #owned < max then
    owned[#owned + 1] = { name, held[1] }
  end
end
return owned
