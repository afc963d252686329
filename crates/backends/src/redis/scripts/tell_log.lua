-- Facts for the reporting log alone: who follows the stream passes over them.
local why, events_hard = arg(), tonumber(arg())
local events = args(tonumber(arg()))
if events_full(events_hard) then return { 'full', 'the event stream', int(events_hard) } end
return { 'done', add_events(events, why) }
