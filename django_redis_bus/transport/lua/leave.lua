#!lua flags=allow-oom
-- Guarantees: the name is free again, and the consumer is removed from the group only if nothing is pending for it
-- (XGROUP DELCONSUMER would drop that without a word).
-- KEYS stream consumers   ARGV group name token
-- include noting.lua
local raw = redis.call('HGET', KEYS[2], ARGV[2])
if not raw or note_of(raw).token ~= ARGV[3] then
  return 0
end
redis.call('HDEL', KEYS[2], ARGV[2])
local ok, consumers = pcall(redis.call, 'XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if not ok then
  return 1
end
for _, c in ipairs(consumers) do
  if c[2] == ARGV[2] and c[4] == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
  end
end
return 1
