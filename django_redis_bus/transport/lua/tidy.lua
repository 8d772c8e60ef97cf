#!lua flags=allow-oom
-- Guarantees: a consumer that has long been idle, has no heartbeat and nothing pending is removed; no other is.
-- KEYS stream consumers   ARGV group idle_ms alive_ms
-- Returns the names removed
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
-- include noting.lua
local removed = {}
local present = {}
for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local name, pending, idle = c[2], c[4], c[6]
  present[name] = true
  local raw = redis.call('HGET', KEYS[2], name)
  local alive = raw and now - (note_of(raw).beat or 0) < tonumber(ARGV[3])
  if pending == 0 and idle >= tonumber(ARGV[2]) and not alive then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], name)
    redis.call('HDEL', KEYS[2], name)
    removed[#removed + 1] = name
  end
end
local records = redis.call('HGETALL', KEYS[2])
for i = 1, #records, 2 do
  if not present[records[i]] and now - (note_of(records[i + 1]).beat or 0) >= tonumber(ARGV[2]) then
    redis.call('HDEL', KEYS[2], records[i])
  end
end
return removed
