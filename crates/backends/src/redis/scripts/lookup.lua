-- The call that an initial INVITE has made, while it lives or is remembered.
local link = arg()
local id = redis.call('GET', link_key('call', link))
if id and head('call', id) ~= 'unknown' then return id end
return ''
