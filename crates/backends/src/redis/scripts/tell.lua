-- Facts for some of the stream's readers; the name of the field tells for whom.
local for_whom, events_hard = arg(), tonumber(arg())
local events = args(tonumber(arg()))
if events_full(events_hard) then return { 'full', 'the event stream', int(events_hard) } end
return { 'done', add_events(events, for_whom) }
