-- Guarantees: changes nothing. Tells who has a pending entry in hand, in one place for all that operators do to it.
-- Not a script: it is put into those that include it, which set `now` before and call `judging` once.
local ALIVE_MS = 10000 -- as in transport/group.py
-- ten years: no lease is as long
local RELEASED_MS = 315360000000

-- include noting.lua
-- Returns two functions: the state of an entry, by its owner, its idle time, its score in the retry set and what is
-- noted of its failures; and the lease of a consumer in ms.
local function judging(consumers, lease_ms)
  local known = {}
  local function record_of(owner)
    if not known[owner] then
      known[owner] = note_of(redis.call('HGET', consumers, owner))
    end
    return known[owner]
  end
  local function lease_of(owner)
    return tonumber(record_of(owner).lease_ms) or lease_ms
  end
  local function state_of(owner, idle, score, raw)
    if score then
      return note_of(raw).held == true and 'held' or 'waiting'
    end
    local beat = tonumber(record_of(owner).beat)
    local alive = beat and now - beat < ALIVE_MS
    return alive and idle < lease_of(owner) and 'running' or 'silent'
  end
  return state_of, lease_of
end
