#!lua flags=allow-oom
-- Guarantees: an entry whose handler is paused stays pending and comes again, without an attempt counted; only its owner
-- may put it aside. The more wait, the later it comes, so that looking at them costs little. One whose handler goes on
-- again by now, which this consumer does not know yet, is due at once.
-- KEYS stream retry failures paused   ARGV group consumer {id, handler}…
-- Returns the ids that belong to somebody else now, or to nobody
local LEAST_MS = 5000
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local later = now + math.max(LEAST_MS, redis.call('ZCARD', KEYS[2]))
-- include noting.lua
local gone = {}
for i = 3, #ARGV, 2 do
  local id = ARGV[i]
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)
  if #pending == 1 and pending[1][2] == ARGV[2] then
    local record = note_of(redis.call('HGET', KEYS[3], id))
    local is_paused = redis.call('HEXISTS', KEYS[4], ARGV[1] .. '\n' .. ARGV[i + 1]) == 1
    record.held = true
    redis.call('HSET', KEYS[3], id, cjson.encode(record))
    redis.call('ZADD', KEYS[2], is_paused and later or now, id)
    local attempts = math.max(pending[1][4] - 1, 0)
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'RETRYCOUNT', attempts, 'JUSTID')
  else
    gone[#gone + 1] = id
  end
end
return gone
