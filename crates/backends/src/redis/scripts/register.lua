-- Writes one DN's bindings by compare-and-set on the version. Or restores what Redis has taken before and lost, unless it has a later
-- write of it: several registrars write of a phone, and each knows only what it has written itself. Hash `reg:{tenant}:<dn>`: v version,
-- n how many facts there have been, b bindings, w when they were written, by the clock of Redis alone.
local dn, expected, count, ends, body, events_max, records_max = arg(), tonumber(arg()), tonumber(arg()), arg(), arg(), tonumber(arg()), tonumber(arg())
local events = args(tonumber(arg()))
-- So many facts were told of it before, as far as the writer knows: a record that was lost does not begin to number again.
local told = tonumber(arg())
-- When that was written which is restored; 0: a write of now.
local written = tonumber(arg())
local k = key('reg', dn)
local held = redis.call('HMGET', k, 'v', 'n', 'w')
local version = tonumber(held[1] or '0')
if written == 0 then
  if version ~= expected then return { 'conflict', int(version) } end
  local time = redis.call('TIME')
  written = math.max(time[1] * 1000000 + time[2], (tonumber(held[3]) or 0) + 1)
elseif version > 0 and (tonumber(held[3]) or written) >= written then
  return { 'conflict', int(version) }
end
if version == 0 and redis.call('ZCARD', key('regs')) >= records_max then return { 'full', 'the registrations', int(records_max) } end
-- 0: a phone that goes is let go.
if #events > 0 and events_max > 0 and events_full(events_max) then return { 'full', 'the event stream', int(events_max) } end
local count_of_facts = int(math.max(tonumber(held[2] or '0'), told) + #events)
redis.call('HSET', k, 'v', int(version + 1), 'n', count_of_facts, 'b', body, 'w', int(written))
redis.call('ZADD', key('regs'), 0, dn)
if count > 0 then redis.call('ZADD', key('regends'), ends, dn) else redis.call('ZREM', key('regends'), dn) end
add_events(events)
return { 'done', int(version + 1), count_of_facts, int(written) }
