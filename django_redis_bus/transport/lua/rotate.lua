#!lua flags=allow-oom
-- Guarantees: whoever saw a history of which Redis has lost a part ends its epoch once, however many saw it: nobody can
-- resume from a place in it. What is still kept stays.
-- KEYS live   ARGV the epoch that ends, the one that begins
-- Returns the epoch now, or ''
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch == ARGV[1] then
  redis.call('HSET', KEYS[1], 'epoch', ARGV[2])
  return ARGV[2]
end
return epoch or ''
