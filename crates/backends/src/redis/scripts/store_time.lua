-- The present time by the clock of Redis, in microseconds.
local time = redis.call('TIME')
return { int(time[1] * 1000000 + time[2]) }
