-- Guarantees: changes nothing. Tells how far the slowest live group is behind: what it has not read and what it has not
-- acked. A group that had no live consumer for pin_ms does not count, as in trim.lua. What an operator has handed to a
-- group again (a replay, a redrive) is as old as that act: publishers are not to blame for it.
-- KEYS stream groups   ARGV count at most pin_ms
-- Returns {the most events that a group has before it, age in ms of the oldest of all such events}
local PAGE = 100
local bytes_left = 4000000 -- over all groups: counting reads whole entries
-- include counting.lua
local most, pin = tonumber(ARGV[1]), tonumber(ARGV[2])
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if redis.call('EXISTS', KEYS[1]) == 0 then
  return { 0, 0 }
end

local function ms_of(id)
  return tonumber(string.match(id, '^%d+'))
end

-- Where Redis does not know the number (a group made at some id, entries deleted), count; of large entries as far as
-- the bytes go, and then as if the rest had come as these have.
local function unread(last)
  if #redis.call('XRANGE', KEYS[1], '-', last, 'COUNT', 1) == 0 then
    return redis.call('XLEN', KEYS[1]) -- it has read nothing that is still there
  end
  local found, reached, read, ended = counting('XRANGE', KEYS[1], '(' .. last, '+', most, math.max(bytes_left, 1))
  bytes_left = bytes_left - read
  if ended or found >= most then
    return found
  end
  local passed = ms_of(reached) - ms_of(last)
  local all = ms_of(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1][1]) - ms_of(last)
  return math.min(redis.call('XLEN', KEYS[1]), passed > 0 and math.floor(found * all / passed) or math.huge)
end

local events, age = 0, 0
local function older(id)
  age = math.max(age, now - tonumber(string.match(id, '^%d+')))
end

local side = string.sub(KEYS[2], 1, -#'groups' - 1)
local function oldest_pending(group)
  local ids, again = {}, nil
  for i, p in ipairs(redis.call('XPENDING', KEYS[1], group, '-', '+', PAGE)) do
    ids[i] = p[1]
  end
  for i, raw in ipairs(redis.call('HMGET', side .. group .. ':failures', unpack(ids))) do
    local ok, record = pcall(cjson.decode, raw or '{}')
    local at = ok and type(record) == 'table' and tonumber(record.again)
    if not at then
      return older(ids[i])
    end
    again = math.min(again or at, at)
  end
  age = math.max(age, now - again)
end

for _, g in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local info = {}
  for i = 1, #g, 2 do
    info[g[i]] = g[i + 1]
  end
  local alive = tonumber(redis.call('HGET', KEYS[2], info['name']) or nil)
  if not alive or now - tonumber(alive) < pin then
    events = math.max(events, info['pending'] + (info['lag'] or unread(info['last-delivered-id'])))
    local first = redis.call('XRANGE', KEYS[1], '(' .. info['last-delivered-id'], '+', 'COUNT', 1)[1]
    if first then
      older(first[1])
    end
    if info['pending'] > 0 then
      oldest_pending(info['name'])
    end
  end
end
return { events, age }
