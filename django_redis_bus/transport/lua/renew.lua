#!lua flags=allow-oom
-- Guarantees: the lease of what the caller still owns starts anew; what another has taken is not taken back.
-- KEYS stream   ARGV group consumer id…
-- Returns the ids that belong to somebody else now, or to nobody
local gone = {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)
  if #pending == 1 and pending[1][2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'IDLE', 0, 'JUSTID')
  else
    gone[#gone + 1] = id
  end
end
return gone
