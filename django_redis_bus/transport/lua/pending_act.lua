#!lua flags=allow-oom
-- Guarantees: an operator's verb is done to a pending entry that no live consumer has in hand, which is judged in the
-- same step: so it can neither be lost nor run twice by it. Of many who do it at one time, each finds what the first
-- has left.
--   retry  it is due now. Where its owner has died with it, that is noted as claim_expired.lua would.
--   claim  a consumer becomes its owner; it is silent then, so any consumer takes it over next.
--   ack    the group forgets it, with all that is noted about it.
-- KEYS stream retry failures consumers
-- ARGV group lease_ms verb to ('' but for claim) consumer state idle_ms ('' or '0': any; else only if still so) id…
-- Returns what became of each: done | gone (not pending) | running | changed (not the consumer's, not in the state, not
-- as idle) | theirs already (the owner is whom it is claimed for) | trimmed (its payload is gone from the stream, and so it is pending no more)
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
-- include judging.lua
local group, verb, to = ARGV[1], ARGV[3], ARGV[4]
local consumer, wanted, idle_ms = ARGV[5], ARGV[6], tonumber(ARGV[7])
local state_of, lease_of = judging(KEYS[4], tonumber(ARGV[2]))

local function forget(id)
  redis.call('XACK', KEYS[1], group, id)
  redis.call('ZREM', KEYS[2], id)
  redis.call('HDEL', KEYS[3], id)
end

-- Redis itself drops a pending entry from the list that it cannot claim because the stream has it no more.
local function claim(id, owner, idle, attempts)
  local claimed = redis.call(
    'XCLAIM', KEYS[1], group, owner, 0, id, 'IDLE', string.format('%.0f', idle), 'RETRYCOUNT', attempts, 'JUSTID'
  )
  if #claimed == 0 then
    forget(id)
    return 'trimmed'
  end
  return 'done'
end

-- A silent entry goes into the schedule, which counts an attempt when it is taken: not one more than there were.
local function schedule(id, owner, idle, attempts, raw)
  local done = 'done'
  local note = note_of(raw)
  if not note.started then
    done = claim(id, owner, idle, math.max(attempts - 1, 0))
  end
  if done == 'done' and idle < RELEASED_MS then
    note.expired = (note.expired or 0) + 1
    note.crashes = (note.crashes or 0) + (note.started and 1 or 0)
    note.started = false
    redis.call('HSET', KEYS[3], id, cjson.encode(note))
  end
  if done == 'done' then
    redis.call('ZADD', KEYS[2], now, id)
  end
  return done
end

local function act(id)
  local pending = redis.call('XPENDING', KEYS[1], group, id, id, 1)[1]
  if not pending then
    return 'gone'
  end
  local owner, idle, attempts = pending[2], pending[3], pending[4]
  local score, raw = redis.call('ZSCORE', KEYS[2], id), redis.call('HGET', KEYS[3], id)
  local state = state_of(owner, idle, score, raw)
  if state == 'running' then
    return state
  end
  if (consumer ~= '' and consumer ~= owner) or (wanted ~= '' and wanted ~= state) or idle < idle_ms then
    return 'changed'
  end
  if verb == 'retry' then
    if state == 'silent' then
      return schedule(id, owner, idle, attempts, raw)
    end
    redis.call('ZADD', KEYS[2], now, id)
  elseif verb == 'claim' and owner == to then
    return 'theirs already'
  elseif verb == 'claim' then
    return claim(id, to, math.max(idle, tonumber(ARGV[2]), lease_of(to)), attempts)
  else
    forget(id)
  end
  return 'done'
end

local became = {}
for i = 8, #ARGV do
  became[#became + 1] = act(ARGV[i])
end
return became
