#!lua flags=allow-oom
-- Guarantees: an entry whose lease ran out is taken by one consumer. The first time it comes in a batch: its owner
-- died, but perhaps over a neighbour. From the second time on it is a suspect: it comes alone, marked as started,
-- and each run that ends with its process raises its attempt number, so that the pill is found and the innocent are
-- not blamed. What a stopping consumer released raises no suspicion. What waits for its retry is left alone.
-- KEYS stream retry failures
-- ARGV group consumer lease_ms count cursor own suspects ids-in-hand…
--   own '1': take what is pending under the caller's own name, however fresh (its predecessor's, or replies that
--   never arrived), except what it has in hand
--   suspects '0': leave suspects alone, the caller has no time for them now
-- Returns {{id, attempt, solo, fields, crashes}…, ids whose payload is gone…, next cursor or '-' after a full round}
-- ten years: no lease is as long
local RELEASED_MS = 315360000000
local SCAN = 500
local group, consumer, lease, count = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local cursor, own, suspects = ARGV[5], ARGV[6] == '1', ARGV[7] == '1'
local in_hand = {}
for i = 8, #ARGV do
  in_hand[ARGV[i]] = true
end

local from = cursor == '-' and '-' or '(' .. cursor
local pending
if own then
  pending = redis.call('XPENDING', KEYS[1], group, from, '+', SCAN, consumer)
else
  pending = redis.call('XPENDING', KEYS[1], group, from, '+', SCAN)
end
local taken, lost = {}, {}
local next = '-'
if #pending == SCAN then
  next = pending[SCAN][1]
end
for i, p in ipairs(pending) do
  local id, idle, attempt = p[1], p[3], p[4]
  if (own or idle >= lease) and not in_hand[id] and not redis.call('ZSCORE', KEYS[2], id) then
    local raw = redis.call('HGET', KEYS[3], id)
    local record = raw and cjson.decode(raw) or {}
    if idle < RELEASED_MS then
      record.expired = (record.expired or 0) + 1
      if record.started then
        attempt = attempt + 1
        record.crashes = (record.crashes or 0) + 1
      end
    end
    local solo = (record.expired or 0) >= 2
    if #taken >= count or (solo and #taken > 0) then
      next = i > 1 and pending[i - 1][1] or cursor
      break
    end
    if not solo or suspects then
      record.started = solo
      local claimed = redis.call('XCLAIM', KEYS[1], group, consumer, 0, id, 'RETRYCOUNT', attempt)
      if #claimed == 0 or not claimed[1] then
        redis.call('XACK', KEYS[1], group, id)
        redis.call('HDEL', KEYS[3], id)
        lost[#lost + 1] = id
      else
        if raw or record.expired then
          redis.call('HSET', KEYS[3], id, cjson.encode(record))
        end
        taken[#taken + 1] = { id, attempt, solo and 1 or 0, claimed[1][2], record.crashes or 0 }
        if solo then
          next = id
          break
        end
      end
    end
  end
end
return { taken, lost, next }
