#!lua flags=allow-oom
-- Guarantees: the heartbeat is renewed only by who holds the name; the group's position is stored as an id before
-- the lowest entry it still needs; what the consumer has counted is added to the minute, once per call.
-- KEYS stream consumers groups position, stats without the minute
-- ARGV group name token handled failed dead held oldest oldest_ms paused
-- Returns 1 if the name is still the caller's
local STATS_S = 7500 -- how long a minute is kept
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
-- include noting.lua
local raw = redis.call('HGET', KEYS[2], ARGV[2])
if not raw then
  return 0
end
local record = note_of(raw)
if record.token ~= ARGV[3] then
  return 0
end
record.beat = now
record.held, record.oldest, record.oldest_ms = tonumber(ARGV[7]), ARGV[8], tonumber(ARGV[9])
record.paused = ARGV[10] == '1'
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

local mine
for _, g in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  if g[2] == ARGV[1] then
    mine = {}
    for i = 1, #g, 2 do
      mine[g[i]] = g[i + 1]
    end
  end
end
if not mine then
  return redis.error_reply("NOGROUP no consumer group '" .. ARGV[1] .. "'")
end
local position = mine['last-delivered-id']
if mine['pending'] > 0 then
  position = before(redis.call('XPENDING', KEYS[1], ARGV[1])[2])
end
redis.call('SET', KEYS[4], position)

local minute = KEYS[5] .. string.format('%.0f', math.floor(now / 60000))
local added
if mine['entries-read'] and mine['lag'] then
  added = mine['entries-read'] + mine['lag']
else -- Redis does not know how far the group is; this tells the stream's whole first and last entry as well
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'entries-added' then
      added = info[i + 1]
    end
  end
end
if added then
  redis.call('HSETNX', minute, 'from', added)
  redis.call('HSET', minute, 'added', added)
end
for i, what in ipairs({ 'handled', 'failed', 'dead' }) do
  if tonumber(ARGV[3 + i]) > 0 then
    redis.call('HINCRBY', minute, ARGV[1] .. ' ' .. what, ARGV[3 + i])
  end
end
redis.call('EXPIRE', minute, STATS_S)
return 1
