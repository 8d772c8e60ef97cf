#!lua flags=allow-oom
-- Guarantees: tells what operators have paused, and carries a replay of the group on: an entry is handed to the group
-- once, as if it came for the first time, whoever of its consumers does it. One that is pending already is passed over.
-- A group that is paused is handed nothing. What is no replay ends, and says why.
-- KEYS stream paused replay retry failures
-- ARGV group consumer
-- Returns {fields of what is paused…}
local STEP = 2000 -- most entries per call, and most that wait
local BYTES = 4194304 -- of entries looked at per call: they come with all that is in them
local FIRST = 10 -- so many are looked at first, to see how large they are
local KEPT_S = 604800
local NAMES = { 'since', 'until', 'at', 'done', 'passed', 'per_s', 'started', 'over', 'budget', 'moved' }
local group, consumer = ARGV[1], ARGV[2]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

-- include ordering.lua
local function last_delivered()
  for _, g in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    if g[2] == group then
      for i = 1, #g, 2 do
        if g[i] == 'last-delivered-id' then
          return g[i + 1]
        end
      end
    end
  end
end

-- Returns how many entries may be handed out now, by the rate of the replay; what was not used for a while is lost.
local function allowed(state, now)
  local room = STEP - redis.call('ZCOUNT', KEYS[4], '-inf', now)
  local per_s = tonumber(state.per_s)
  if not per_s then
    return room
  end
  local budget = tonumber(state.budget or 0) + per_s * (now - tonumber(state.moved or state.started)) / 1000
  budget = math.min(budget, math.max(per_s, 1))
  redis.call('HSET', KEYS[3], 'budget', budget, 'moved', now)
  return math.min(room, math.floor(budget)), budget
end

local function hand_out(state, last, room, now)
  local done, passed, at = tonumber(state.done or 0), tonumber(state.passed or 0), state.at
  local before, bytes, page, ended = done, 0, FIRST, false
  while room > 0 and bytes < BYTES and not ended do
    page = math.min(page, room)
    local entries = redis.call('XRANGE', KEYS[1], at and '(' .. at or state.since, last, 'COUNT', page)
    for _, entry in ipairs(entries) do
      local id = entry[1]
      for _, value in ipairs(entry[2]) do
        bytes = bytes + #value
      end
      if #redis.call('XPENDING', KEYS[1], group, id, id, 1) > 0 then
        passed = passed + 1
      else
        redis.call('XCLAIM', KEYS[1], group, consumer, 0, id, 'FORCE', 'JUSTID', 'RETRYCOUNT', 0)
        redis.call('ZADD', KEYS[4], now, id)
        redis.call('HSET', KEYS[5], id, string.format('{"again":%.0f}', now)) -- see lag.lua
        done = done + 1
      end
      at = id
    end
    room = room - #entries
    ended = #entries < page
    page = math.min(2 * page, math.max(1, math.floor((BYTES - bytes) / math.max(1, bytes / (done + passed)))))
  end
  redis.call('HSET', KEYS[3], 'at', at or state.since, 'done', done, 'passed', passed)
  return done - before, ended
end

local function carry_on()
  local flat, state = redis.call('HMGET', KEYS[3], unpack(NAMES)), {}
  for i, name in ipairs(NAMES) do
    state[name] = flat[i] or nil
  end
  if state.over or redis.call('HEXISTS', KEYS[2], group) == 1 then
    if not state.over then
      redis.call('HSET', KEYS[3], 'budget', 0, 'moved', now)
    end
    return
  end
  -- A group that was made anew begins further back: what it has not read comes anyway.
  local last, read = state['until'], last_delivered()
  if not read then
    return
  end
  if less(read, last) then
    last = read
  end
  local room, budget = allowed(state, now)
  if room <= 0 then
    return
  end
  local handed, ended = hand_out(state, last, room, now)
  if budget then
    redis.call('HSET', KEYS[3], 'budget', budget - handed)
  end
  if ended then
    redis.call('HSET', KEYS[3], 'over', now)
    redis.call('EXPIRE', KEYS[3], KEPT_S)
  end
end

local ok, kind = pcall(redis.call, 'TYPE', KEYS[3])
if ok and kind.ok == 'hash' then
  local went, why = pcall(carry_on)
  if not went then -- somebody else has written to it
    redis.call('HSET', KEYS[3], 'over', now, 'trouble', string.sub(tostring(type(why) == 'table' and why.err or why), 1, 200))
    redis.call('EXPIRE', KEYS[3], KEPT_S)
  end
end
local paused = redis.pcall('HKEYS', KEYS[2])
return paused.err and {} or paused
