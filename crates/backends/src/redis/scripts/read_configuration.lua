-- What has changed after a revision: the number of all documents, and those that changed. 'whole' if the revision is of another generation
-- or later, or the changes are too many or too large for one answer, or not kept: then everything has to be read, page by page.
local generation, revision, count_max, bytes_max = arg(), tonumber(arg()), tonumber(arg()), tonumber(arg())
local documents = key('cfg', 'documents')
local held = redis.call('HMGET', key('cfg', 'state'), 'g', 'r', 'w')
if not held[1] then return { 'missing' } end
local whole = { 'whole', held[1], held[2] }
if generation ~= held[1] or revision > tonumber(held[2]) then return whole end
local answer = { 'changes', held[1], held[2], redis.call('HLEN', documents) }
if revision == tonumber(held[2]) then return answer end
-- Where this generation began with a whole state, the sorted set has what came later; else it has everything.
local began = string.match(held[3] or '', '^' .. held[1] .. ':(%d+)$')
if began and revision < tonumber(began) then return whole end
local after, bytes = '(' .. int(revision), 0
local names = redis.call('ZRANGEBYSCORE', key('cfg', 'changes'), after, '+inf', 'LIMIT', 0, count_max + 1)
if #names > count_max then return whole end
for _, name in ipairs(names) do
  local written = redis.call('HGET', documents, name)
  bytes = bytes + #name + #(written or '')
  if bytes > bytes_max then return whole end
  answer[#answer + 1] = name
  answer[#answer + 1] = written
end
return answer
