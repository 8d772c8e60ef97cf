#!lua flags=allow-oom
-- Guarantees: tells what operators have paused, and carries a replay of the group on: an entry is handed to the group
-- once, as if it came for the first time, whoever of its consumers does it. One that is pending already is passed over.
-- KEYS stream paused replay retry failures
-- ARGV group consumer
-- Returns {fields of what is paused…}
local STEP = 2000 -- most entries per call, and most that wait
local group, consumer = ARGV[1], ARGV[2]

local function less(a, b)
  local am, as = string.match(a, '^(%d+)-(%d+)$')
  local bm, bs = string.match(b, '^(%d+)-(%d+)$')
  if am ~= bm then
    return #am < #bm or (#am == #bm and am < bm)
  end
  return #as < #bs or (#as == #bs and as < bs)
end

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

local function carry_on()
  local state = redis.call('HMGET', KEYS[3], 'since', 'until', 'at', 'done', 'per_s', 'started', 'over', 'passed')
  local since, last, at, done, per_s, started = state[1], state[2], state[3], tonumber(state[4] or 0), state[5], state[6]
  if not since or state[7] then
    return
  end
  -- A group that was made anew begins further back: what it has not read comes anyway.
  local read = last_delivered()
  if not read then
    return
  end
  if less(read, last) then
    last = read
  end
  local t = redis.call('TIME')
  local now = t[1] * 1000 + math.floor(t[2] / 1000)
  local room = STEP - redis.call('ZCOUNT', KEYS[4], '-inf', now)
  if per_s and per_s ~= '' then
    room = math.min(room, math.floor((now - tonumber(started)) / 1000 * tonumber(per_s)) - done)
  end
  if room <= 0 then
    return
  end
  local entries = redis.call('XRANGE', KEYS[1], at and '(' .. at or since, last, 'COUNT', room)
  local passed = tonumber(state[8] or 0)
  for _, entry in ipairs(entries) do
    local id = entry[1]
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
  redis.call('HSET', KEYS[3], 'at', at or since, 'done', done, 'passed', passed)
  if #entries < room then
    redis.call('HSET', KEYS[3], 'over', now)
    redis.call('EXPIRE', KEYS[3], 604800)
  end
end

if redis.call('EXISTS', KEYS[3]) == 1 then
  carry_on()
end
return redis.call('HKEYS', KEYS[2])
