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
-- Returns {{id, attempt, solo, crashes}…, next cursor or '-' after a full round}. The caller fetches the fields itself:
-- on their way through Lua they would cost as much as all the rest.
-- ten years: no lease is as long
local RELEASED_MS = 315360000000
local SCAN = 500 -- most entries to look at
-- include noting.lua
local group, consumer, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local count = math.min(tonumber(ARGV[4]), 1000) -- Lua passes at most 8,000 arguments
local cursor, own, suspects = ARGV[5], ARGV[6] == '1', ARGV[7] == '1'
local in_hand = {}
for i = 8, #ARGV do
  in_hand[ARGV[i]] = true
end

-- Returns a page of what is pending, and what is noted ('' for nothing) about each entry of it that may be taken.
-- Commands take whole pages: a call from Lua costs more than what it asks for.
local function page_after(last)
  local from = last == '-' and '-' or '(' .. last
  local page
  if own then
    page = redis.call('XPENDING', KEYS[1], group, from, '+', count, consumer)
  else
    page = redis.call('XPENDING', KEYS[1], group, from, '+', count)
  end
  local ids, notes = {}, {}
  for _, p in ipairs(page) do
    if (own or p[3] >= lease) and not in_hand[p[1]] then
      ids[#ids + 1] = p[1]
    end
  end
  if #ids > 0 then
    local waiting = redis.call('ZMSCORE', KEYS[2], unpack(ids))
    local noted = redis.call('HMGET', KEYS[3], unpack(ids))
    for i, id in ipairs(ids) do
      if not waiting[i] then
        notes[id] = noted[i] or ''
      end
    end
  end
  return page, notes
end

local chosen, noted = {}, {}
local last, following, seen = cursor, nil, 0
while not following do
  local page, notes = page_after(last)
  for _, p in ipairs(page) do
    local id, idle, attempt = p[1], p[3], p[4]
    local note = notes[id]
    if note then
      local solo, crashes = false, 0
      if note ~= '' then
        local record = note_of(note)
        if idle < RELEASED_MS then
          record.expired = (record.expired or 0) + 1
          if record.started then
            attempt = attempt + 1
            record.crashes = (record.crashes or 0) + 1
          end
        end
        crashes = record.crashes or 0
        solo = (record.expired or 0) >= 2
        record.started = solo
        note = cjson.encode(record)
      elseif idle < RELEASED_MS then
        note = '{"expired":1}'
      end
      if #chosen >= count or (solo and #chosen > 0) then
        following = last
        break
      end
      if not solo or suspects then
        chosen[#chosen + 1] = { id, attempt, solo and 1 or 0, crashes }
        if note ~= '' then
          noted[#noted + 1] = id
          noted[#noted + 1] = note
        end
      end
      if solo and suspects then
        following = id
        break
      end
    end
    last = id
  end
  seen = seen + #page
  if not following then
    if #page < count then
      following = '-'
    elseif #chosen >= count or seen >= SCAN then
      following = last
    end
  end
end

if #noted > 0 then
  redis.call('HSET', KEYS[3], unpack(noted))
end
local by_attempt = {}
for _, c in ipairs(chosen) do
  local ids = by_attempt[c[2]] or {}
  ids[#ids + 1] = c[1]
  by_attempt[c[2]] = ids
end
for attempt, ids in pairs(by_attempt) do
  local command = { 'XCLAIM', KEYS[1], group, consumer, 0, unpack(ids) }
  command[#command + 1] = 'RETRYCOUNT'
  command[#command + 1] = attempt
  command[#command + 1] = 'JUSTID'
  redis.call(unpack(command))
end
return { chosen, following }
