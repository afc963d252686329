-- Gives fresh entries of a shared stream to a consumer.
local stream, by, max = arg(), arg(), tonumber(arg())
local k = key(stream)
if redis.call('EXISTS', k) == 0 then return {} end
local given = {}
local found = redis.call('XREADGROUP', 'GROUP', 'readers', by, 'COUNT', max, 'STREAMS', k, '>')
for _, entry in ipairs(found and found[1] and found[1][2] or {}) do
  given[#given + 1] = { entry[1], '1', entry[2][2] }
end
return given
