#!lua flags=allow-oom
-- Guarantees: an entry is acked together with all that is noted about it; with a fence, only by its owner.
-- KEYS stream retry failures   ARGV group consumer fence id…
-- Returns the ids that belong to somebody else now, or to nobody
local gone, mine = {}, {}
for i = 4, #ARGV do
  local id = ARGV[i]
  local owned = true
  if ARGV[3] == '1' then
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)
    owned = #pending == 1 and pending[1][2] == ARGV[2]
  end
  if owned then
    mine[#mine + 1] = id
  else
    gone[#gone + 1] = id
  end
end
for i = 1, #mine, 1000 do -- Lua passes at most 8,000 arguments
  local last = math.min(i + 999, #mine)
  redis.call('XACK', KEYS[1], ARGV[1], unpack(mine, i, last))
  redis.call('ZREM', KEYS[2], unpack(mine, i, last))
  redis.call('HDEL', KEYS[3], unpack(mine, i, last))
end
return gone
