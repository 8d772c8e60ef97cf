#!lua flags=allow-oom
-- Guarantees: an entry is acked together with all that is noted about it; with a fence, only by its owner.
-- KEYS stream retry failures   ARGV group consumer fence id…
-- Returns the ids that belong to somebody else now, or to nobody
local gone = {}
for i = 4, #ARGV do
  local id = ARGV[i]
  local mine = true
  if ARGV[3] == '1' then
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)
    mine = #pending == 1 and pending[1][2] == ARGV[2]
  end
  if mine then
    redis.call('XACK', KEYS[1], ARGV[1], id)
    redis.call('ZREM', KEYS[2], id)
    redis.call('HDEL', KEYS[3], id)
  else
    gone[#gone + 1] = id
  end
end
return gone
