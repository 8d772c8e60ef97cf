#!lua flags=allow-oom
-- Guarantees: of all who want one consumer name, one gets it: the record is replaced only if it still is what the
-- caller saw.
-- KEYS consumers   ARGV name, record seen ('' for none), new record (JSON)
-- Returns 1 if the name is the caller's now
local seen = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if seen ~= ARGV[2] then
  return 0
end
local t = redis.call('TIME')
local record = cjson.decode(ARGV[3])
record.beat = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(record))
return 1
