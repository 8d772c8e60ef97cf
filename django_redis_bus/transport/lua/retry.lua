#!lua flags=allow-oom
-- Guarantees: a failed entry stays pending and is due at one time; only its owner may schedule it.
-- KEYS stream retry failures   ARGV group consumer {id, wait in ms, error}…
-- Returns the ids that belong to somebody else now, or to nobody
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
-- include noting.lua
local gone = {}
for i = 3, #ARGV, 3 do
  local id = ARGV[i]
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)
  if #pending == 1 and pending[1][2] == ARGV[2] then
    local raw = redis.call('HGET', KEYS[3], id)
    local record = note_of(raw)
    record.started = false
    record.first = record.first or now
    record.last = now
    record.error = ARGV[i + 2]
    redis.call('ZADD', KEYS[2], now + tonumber(ARGV[i + 1]), id)
    redis.call('HSET', KEYS[3], id, cjson.encode(record))
  else
    gone[#gone + 1] = id
  end
end
return gone
