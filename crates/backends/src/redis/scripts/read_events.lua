-- The first position of the stream, and the facts after a position; when some of them are gone, the last that is.
local after, max = arg(), arg()
local trimmed = redis.call('HGET', key('evmeta'), 'trimmed')
if trimmed and later(trimmed, after) then
  return { 'trimmed', trimmed }
end
local answer = { 'entries', redis.call('HGET', key('evmeta'), 'born') or '' }
for _, entry in ipairs(redis.call('XRANGE', key('ev'), '(' .. after, '+', 'COUNT', max)) do
  answer[#answer + 1] = { entry[1], entry[2][2], entry[2][1] }
end
return answer
