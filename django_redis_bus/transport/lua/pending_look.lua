-- Guarantees: changes nothing; looks at a bounded number of pending entries.
-- KEYS stream retry failures consumers
-- ARGV group lease_ms after ('-' for the beginning, else '(' and an id) until ('+' or an id) count
-- consumer state idle_ms ('' or '0': any)
-- Returns {now in ms, how many were looked at, the last of them or '' at the end,
-- {{id, owner, idle ms, times delivered, state, due in ms or '', note of its failures or ''}…}}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
-- include judging.lua
local group, after, last, count, consumer = ARGV[1], ARGV[3], ARGV[4], math.min(tonumber(ARGV[5]), 1000), ARGV[6]
local wanted, idle_ms = ARGV[7], tonumber(ARGV[8])
local state_of = judging(KEYS[4], tonumber(ARGV[2]))
local NOTE_BYTES = 65536

local page
if consumer ~= '' then
  page = redis.call('XPENDING', KEYS[1], group, after, last, count, consumer)
else
  page = redis.call('XPENDING', KEYS[1], group, after, last, count)
end
local found = {}
if #page > 0 then
  local ids = {}
  for i, p in ipairs(page) do
    ids[i] = p[1]
  end
  local scores = redis.call('ZMSCORE', KEYS[2], unpack(ids))
  local notes = redis.call('HMGET', KEYS[3], unpack(ids))
  for i, p in ipairs(page) do
    if notes[i] and #notes[i] > NOTE_BYTES then
      notes[i] = false -- no bus wrote it
    end
    local state = state_of(p[2], p[3], scores[i], notes[i])
    if p[3] >= idle_ms and (wanted == '' or wanted == state) then
      found[#found + 1] = { p[1], p[2], p[3], p[4], state, scores[i] or '', notes[i] or '' }
    end
  end
end
return { now, #page, #page == count and page[#page][1] or '', found }
