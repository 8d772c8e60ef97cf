#!lua flags=allow-oom
-- Guarantees: a retry that is due is taken by one consumer, leaves the schedule in the same step, and its attempt
-- number rises by one before any user code runs. A suspect (see claim_expired.lua) comes alone, marked as started.
-- KEYS stream retry failures   ARGV group consumer count suspects ('0': leave them)
-- Returns {{id, attempt, solo, fields, crashes}…, ids whose payload is gone…}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
-- include noting.lua
local taken, lost = {}, {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[3])) do
  local is_id = string.match(id, '^%d+%-%d+$') -- else somebody else has put it there
  local pending = is_id and redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1) or {}
  if #pending == 0 then
    -- settled by an operator, or the group was recreated and will read it again
    redis.call('ZREM', KEYS[2], id)
    redis.call('HDEL', KEYS[3], id)
  else
    local raw = redis.call('HGET', KEYS[3], id)
    local record = note_of(raw)
    local solo = (record.expired or 0) >= 2
    if solo and #taken > 0 then
      break
    end
    if not solo or ARGV[4] == '1' then
      local attempt = pending[1][4] + 1
      local claimed = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'RETRYCOUNT', attempt)
      redis.call('ZREM', KEYS[2], id)
      if #claimed == 0 or not claimed[1] then
        redis.call('XACK', KEYS[1], ARGV[1], id)
        redis.call('HDEL', KEYS[3], id)
        lost[#lost + 1] = id
      else
        if record.held then
          record.held = nil
          if next(record) then
            redis.call('HSET', KEYS[3], id, cjson.encode(record))
          else
            redis.call('HDEL', KEYS[3], id)
          end
        end
        taken[#taken + 1] = { id, attempt, solo and 1 or 0, claimed[1][2], record.crashes or 0 }
        if solo then
          record.started = true
          redis.call('HSET', KEYS[3], id, cjson.encode(record))
          break
        end
      end
    end
  end
end
return { taken, lost }
