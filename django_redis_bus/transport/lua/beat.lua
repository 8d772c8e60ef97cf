#!lua flags=allow-oom
-- Guarantees: the heartbeat is renewed only by who holds the name; the group's position is stored as an id before
-- the lowest entry it still needs.
-- KEYS stream consumers groups position   ARGV group name token
-- Returns 1 if the name is still the caller's
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local raw = redis.call('HGET', KEYS[2], ARGV[2])
if not raw then
  return 0
end
local record = cjson.decode(raw)
if record.token ~= ARGV[3] then
  return 0
end
record.beat = now
redis.call('HSET', KEYS[2], ARGV[2], cjson.encode(record))
redis.call('HSET', KEYS[3], ARGV[1], now)

local function before(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  if seq ~= '0' then
    -- a sequence above 2^53 would lose its last digits as a number: the id of its millisecond's start is before it too
    return #seq < 15 and ms .. '-' .. string.format('%d', tonumber(seq) - 1) or ms .. '-0'
  end
  if ms == '0' then
    return '0-0'
  end
  return string.format('%.0f', tonumber(ms) - 1) .. '-18446744073709551615'
end

local pending = redis.call('XPENDING', KEYS[1], ARGV[1])
local position
if pending[1] > 0 then
  position = before(pending[2])
else
  for _, g in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    if g[2] == ARGV[1] then
      for i = 1, #g, 2 do
        if g[i] == 'last-delivered-id' then
          position = g[i + 1]
        end
      end
    end
  end
end
if position then
  redis.call('SET', KEYS[4], position)
end
return 1
