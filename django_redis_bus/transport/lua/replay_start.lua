-- Guarantees: of all who begin a replay of a group at one time, one does; one that is over is replaced.
-- KEYS replay   ARGV name, value…
-- Returns 1 if it has begun
if redis.call('EXISTS', KEYS[1]) == 1 and redis.call('HEXISTS', KEYS[1], 'over') == 0 then
  return 0
end
local t = redis.call('TIME')
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'started', string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000)), unpack(ARGV))
return 1
