-- Reads records: one by its key, those of an owner, those behind a link, or a page in the order of their keys.
local kind, now, how = arg(), tonumber(arg()), arg()
local ids = {}
if how == 'one' then
  local id = arg()
  local state = head(kind, id, now)
  if state ~= 'live' then return { state } end
  ids = { id }
elseif how == 'owner' then
  local owner, max = arg(), tonumber(arg())
  local all = redis.call('SRANDMEMBER', key('owned', kind .. ':' .. owner), max)
  for _, id in ipairs(all) do ids[#ids + 1] = id end
elseif how == 'link' then
  ids = redis.call('SMEMBERS', link_key(kind, arg()))
else
  local after, max = arg(), arg()
  local from = '-'
  if after ~= '' then from = '(' .. after end
  ids = redis.call('ZRANGE', key('ids', kind), from, '+', 'BYLEX', 'LIMIT', 0, max)
end
local records = { 'live' }
for _, id in ipairs(ids) do
  if head(kind, id, now) == 'live' then records[#records + 1] = record(kind, id) end
end
return records
