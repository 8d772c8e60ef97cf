-- Guarantees: changes nothing.
-- KEYS stats…
-- Returns per key what was counted in its minute (flat), in the order of the keys
local seen = {}
for i, key in ipairs(KEYS) do
  local counted = redis.pcall('HGETALL', key)
  seen[i] = counted.err and {} or counted
end
return seen
