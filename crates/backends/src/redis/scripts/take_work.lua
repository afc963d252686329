-- Gives entries of a shared stream to a consumer: fresh ones, or those that others have held for too long. The time of giving is the
-- caller's, so that all nodes judge by the clocks that their leases are judged by.
local stream, by, max, now, idle = arg(), arg(), tonumber(arg()), tonumber(arg()), arg()
local k = key(stream)
if redis.call('EXISTS', k) == 0 then return {} end
local given = {}
if idle == '' then
  local found = redis.call('XREADGROUP', 'GROUP', 'readers', by, 'COUNT', max, 'STREAMS', k, '>')
  for _, entry in ipairs(found and found[1] and found[1][2] or {}) do
    redis.call('XCLAIM', k, 'readers', by, 0, entry[1], 'TIME', int(now), 'RETRYCOUNT', 1, 'JUSTID')
    given[#given + 1] = { entry[1], '1', entry[2][2] }
  end
  return given
end
local clock = redis.call('TIME')
local redis_now = clock[1] * 1000 + math.floor(clock[2] / 1000)
-- The two readings of the server's clock may be a millisecond apart.
local SLACK_MS = 5
for _, held in ipairs(redis.call('XPENDING', k, 'readers', '-', '+', 1000)) do
  if #given >= max then break end
  local since = redis_now - held[3]
  if held[2] ~= by and since <= now - tonumber(idle) + SLACK_MS then
    local deliveries = held[4] + 1
    local entry = redis.call('XCLAIM', k, 'readers', by, 0, held[1], 'TIME', int(now), 'RETRYCOUNT', deliveries)[1]
    if entry then given[#given + 1] = { entry[1], int(deliveries), entry[2][2] } end
  end
end
return given
