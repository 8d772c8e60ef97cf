#!lua flags=allow-oom
-- Guarantees: nothing is removed that a live group has not handled; of the rest, what exceeds the count or the age.
-- A group that had no live consumer for pin_ms no longer holds the stream back. One call removes a bounded number.
-- KEYS stream groups   ARGV count ('' for none) age_ms ('' for none) pin_ms
-- Returns how many were removed; call again while it is not 0
local LIMIT = 10000
local EXACT = 200
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

-- include ordering.lua
local length = redis.call('XLEN', KEYS[1])
if length == 0 then
  return 0
end
local floor
for _, g in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local info = {}
  for i = 1, #g, 2 do
    info[g[i]] = g[i + 1]
  end
  local alive = redis.call('HGET', KEYS[2], info['name'])
  if not alive or not tonumber(alive) then
    -- a group of another program: it counts as alive from the moment it is first seen
    redis.call('HSET', KEYS[2], info['name'], now)
    alive = now
  end
  if now - tonumber(alive) < tonumber(ARGV[3]) then
    local needs = info['last-delivered-id']
    if info['pending'] > 0 then
      needs = redis.call('XPENDING', KEYS[1], info['name'])[2]
    end
    if not floor or less(needs, floor) then
      floor = needs
    end
  end
end

local removed = 0
if ARGV[2] ~= '' then
  local oldest = string.format('%.0f', math.max(now - tonumber(ARGV[2]), 0)) .. '-0'
  if floor and less(floor, oldest) then
    oldest = floor
  end
  removed = redis.call('XTRIM', KEYS[1], 'MINID', '~', oldest, 'LIMIT', LIMIT)
  if removed < LIMIT / 2 then
    removed = removed + redis.call('XTRIM', KEYS[1], 'MINID', oldest)
  end
end
if ARGV[1] ~= '' then
  local excess = length - removed - tonumber(ARGV[1])
  if excess > 0 then
    -- whole nodes first, never more than the excess; then what is left of a node
    local bound = floor or '18446744073709551615-18446744073709551615'
    local cut = redis.call('XTRIM', KEYS[1], 'MINID', '~', bound, 'LIMIT', math.min(excess, LIMIT))
    removed = removed + cut
    excess = excess - cut
    if excess > 0 and (excess <= EXACT or cut == 0) then
      local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
      if first and less(first[1], bound) then
        local most = math.min(excess, EXACT)
        local rest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', most + 1)
        local keep = rest[most + 1] and rest[most + 1][1] or bound
        if less(bound, keep) then
          keep = bound
        end
        removed = removed + redis.call('XTRIM', KEYS[1], 'MINID', keep)
      end
    end
  end
end
return removed
