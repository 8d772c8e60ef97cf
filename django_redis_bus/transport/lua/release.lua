#!lua flags=allow-oom
-- Guarantees: what the caller owns and did not run can be claimed at once by anyone; no attempt is counted for it.
-- KEYS stream failures   ARGV group consumer id…
-- Returns how many were released
-- ten years: no lease is as long
local RELEASED_MS = 315360000000
-- include noting.lua
local released = 0
for i = 3, #ARGV do
  local id = ARGV[i]
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)
  if #pending == 1 and pending[1][2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'IDLE', RELEASED_MS, 'JUSTID')
    local raw = redis.call('HGET', KEYS[2], id)
    if raw then
      local record = note_of(raw)
      record.started = false
      redis.call('HSET', KEYS[2], id, cjson.encode(record))
    end
    released = released + 1
  end
end
return released
