-- Gives fresh entries of a shared stream to a consumer.
local stream, by, max = arg(), arg(), tonumber(arg())
local k = key(stream)
if redis.call('EXISTS', k) == 0 then return {} end
-- How long ago each was posted, by the clock of Redis alone.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local given = {}
local found = redis.call('XREADGROUP', 'GROUP', 'readers', by, 'COUNT', max, 'STREAMS', k, '>')
for _, entry in ipairs(found and found[1] and found[1][2] or {}) do
  local age = math.max(0, now - tonumber(string.match(entry[1], '^%d+')))
  given[#given + 1] = { entry[1], '1', entry[2][2], int(age) }
end
return given
