-- Reads records: one by its key, those of an owner, those behind a link, or a page in the order of their keys.
local kind, how = arg(), arg()
local ids = {}
local owner
if how == 'one' then
  local id = arg()
  local state = head(kind, id)
  if state ~= 'live' then return { state } end
  ids = { id }
elseif how == 'misplaced' then
  -- It names another owner than the one among whose records it was found: there it is found from now on.
  local id, found_with = arg(), arg()
  local state, names = head(kind, id)
  if state == 'live' and names ~= found_with then
    owns_no_more(kind, found_with, id)
    owns(kind, names, id)
  end
  return { 'live' }
elseif how == 'owner' then
  local max
  owner, max = arg(), tonumber(arg())
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
  local state = head(kind, id)
  if state == 'live' then records[#records + 1] = record(kind, id)
  elseif state == 'damaged' then records[#records + 1] = { id }
  -- What is not there any more is owned by nobody: else it is looked for at each takeover.
  elseif owner then owns_no_more(kind, owner, id) end
end
return records
