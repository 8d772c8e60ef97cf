-- Guarantees: changes nothing; of a minute with far more groups than a page shows, only what was added is told.
-- KEYS stats…
-- Returns per key what was counted in its minute (flat), in the order of the keys
local MOST = 1000
local seen = {}
for i, key in ipairs(KEYS) do
  local number = redis.pcall('HLEN', key)
  if type(number) ~= 'number' then
    seen[i] = {}
  elseif number <= MOST then
    seen[i] = redis.call('HGETALL', key)
  else
    local added = redis.call('HGET', key, 'added')
    seen[i] = added and { 'added', added } or {}
  end
end
return seen
