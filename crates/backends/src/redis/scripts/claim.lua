-- Takes records over by compare-and-set on their tokens.
local kind, by = arg(), arg()
local answers = {}
for _ = 1, tonumber(arg()) do
  local id, seen = arg(), arg()
  local state, owner, token = head(kind, id)
  if state ~= 'live' then
    answers[#answers + 1] = { state, owner }
  elseif owner ~= by and seen ~= '' and seen ~= token then
    answers[#answers + 1] = { 'raced', owner, token }
  else
    if owner ~= by then
      local changes = tonumber(redis.call('HGET', record_key(kind, id), 'c')) or 0
      -- The removal first: a Redis that has no room refuses a script whose first write may need some.
      owns_no_more(kind, owner, id)
      redis.call('HSET', record_key(kind, id), 'o', by, 't', int((tonumber(token) or 0) + 1), 'c', int(changes + 1))
      owns(kind, by, id)
    end
    answers[#answers + 1] = { 'yours', record(kind, id) }
  end
end
return answers
