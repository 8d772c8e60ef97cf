-- Guarantees: of all who begin a replay of a group at one time, one does; one that is over is replaced, as is what is
-- no replay.
-- KEYS replay   ARGV name, value…
-- Returns 1 if it has begun
if redis.call('HEXISTS', KEYS[1], 'since') == 1 and redis.call('HEXISTS', KEYS[1], 'over') == 0 then
  return 0
end
local t = redis.call('TIME')
redis.call('UNLINK', KEYS[1])
redis.call('HSET', KEYS[1], 'started', string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000)), unpack(ARGV))
return 1
