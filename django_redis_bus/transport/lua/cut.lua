#!lua flags=allow-oom
-- Guarantees: removes the oldest entries above the count or the age, in whole nodes, whoever still needs them. One call
-- removes a bounded number.
-- KEYS stream   ARGV count ('' for none) age_ms ('' for none)
-- Returns how many were removed
local LIMIT = 10000
local removed = 0
if ARGV[1] ~= '' then
  removed = redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[1], 'LIMIT', LIMIT)
end
if ARGV[2] ~= '' then
  local t = redis.call('TIME')
  local oldest = math.max(t[1] * 1000 + math.floor(t[2] / 1000) - tonumber(ARGV[2]), 0)
  removed = removed + redis.call('XTRIM', KEYS[1], 'MINID', '~', string.format('%.0f', oldest), 'LIMIT', LIMIT)
end
return removed
