#!lua flags=allow-oom
-- Guarantees: what was put aside for a paused handler is due at once; what waits for a retry is left alone.
-- KEYS retry failures   ARGV offset
-- Returns the offset to go on at, -1 at the end
local PAGE = 500
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'LIMIT', ARGV[1], PAGE)
if #ids == 0 then
  return -1
end
-- include noting.lua
local kept = 0
for i, raw in ipairs(redis.call('HMGET', KEYS[2], unpack(ids))) do
  if raw and note_of(raw).held then
    redis.call('ZADD', KEYS[1], now, ids[i])
  else
    kept = kept + 1
  end
end
return #ids < PAGE and -1 or tonumber(ARGV[1]) + kept
