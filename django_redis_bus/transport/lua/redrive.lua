-- Guarantees: a dead letter goes back to its own group and away, both or neither; of many who send it back at one time,
-- one does. No other group sees it. The entry itself is pending again where the stream still has it, as if it came for
-- the first time; else a copy for this group alone is added. XADD comes before XDEL: a full Redis refuses it (no
-- allow-oom here), and the letter stays.
-- KEYS stream dead retry failures consumers
-- ARGV group lease_ms owner (of what waits to be taken) name of the field that says for which group an entry is alone
-- id…
-- Returns what became of each: done | gone | no group | unreadable (no dead letter of a bus) | too many fields (to copy);
-- fewer than there are ids once they have been large, the rest is for another call
local BYTES = 4194304
local MOST = 7900 -- values that Lua can pass to a command
local NAMES = {
  'dead_group', 'dead_entry', 'dead_reason', 'dead_error', 'dead_traceback', 'dead_attempts', 'dead_consumer',
  'dead_first', 'dead_last',
}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
-- include judging.lua
local group, owner, only_for = ARGV[1], ARGV[3], ARGV[4]
local state_of = judging(KEYS[5], tonumber(ARGV[2]))
local size = 0

-- include ordering.lua
-- Returns how far the group has read; nil if there is no such group
local function last_read()
  local ok, groups = pcall(redis.call, 'XINFO', 'GROUPS', KEYS[1])
  for _, g in ipairs(ok and groups or {}) do
    local info = {}
    for i = 1, #g, 2 do
      info[g[i]] = g[i + 1]
    end
    if info['name'] == group then
      return info['last-delivered-id']
    end
  end
end

-- Returns the id and the fields of the entry that a letter is of; nil if it is none. They stand at their places:
-- what the entry itself says may have any name.
local function original(letter)
  for i, name in ipairs(NAMES) do
    if letter[2 * i - 1] ~= name then
      return nil
    end
  end
  local fields = {}
  if #letter == 20 and letter[19] == 'dead_packed' then
    local ok, unpacked = pcall(cmsgpack.unpack, letter[20])
    fields = ok and type(unpacked) == 'table' and unpacked or nil
  else
    for i = 19, #letter do
      fields[#fields + 1] = letter[i]
    end
  end
  if not fields or #fields == 0 or #fields % 2 == 1 or not string.match(letter[4], '^%d+-%d+$') then
    return nil
  end
  return letter[4], fields
end

local function is_the_same(entry, fields)
  if not entry or #entry[2] ~= #fields then
    return false -- trimmed away, or a stream made anew has another under this id
  end
  for i, value in ipairs(entry[2]) do
    if value ~= fields[i] then
      return false
    end
  end
  return true
end

local last = last_read()

local function again(id)
  local pending = redis.call('XPENDING', KEYS[1], group, id, id, 1)[1]
  if pending then
    local score = redis.call('ZSCORE', KEYS[3], id)
    if state_of(pending[2], pending[3], score, false) ~= 'running' then
      redis.call('ZADD', KEYS[3], now, id)
    end
  elseif not less(last, id) then
    redis.call('XCLAIM', KEYS[1], group, owner, 0, id, 'FORCE', 'JUSTID', 'RETRYCOUNT', 0)
    redis.call('ZADD', KEYS[3], now, id)
    redis.call('HSET', KEYS[4], id, string.format('{"again":%.0f}', now)) -- see lag.lua
  end -- else the group was made anew, and comes to it
end

local function redrive(dead_id)
  local letter = redis.call('XRANGE', KEYS[2], dead_id, dead_id)[1]
  if not letter then
    return 'gone'
  end
  local id, fields = original(letter[2])
  if not id then
    return 'unreadable'
  elseif letter[2][2] ~= group then
    return 'gone'
  elseif not last then
    return 'no group'
  end
  local ok, entries = pcall(redis.call, 'XRANGE', KEYS[1], id, id)
  if ok and is_the_same(entries[1], fields) then
    again(id)
  else
    local first = fields[1] == only_for and 3 or 1
    if #fields > MOST then
      return 'too many fields'
    end
    redis.call('XADD', KEYS[1], '*', only_for, group, unpack(fields, first))
  end
  for _, value in ipairs(fields) do
    size = size + #value
  end
  redis.call('XDEL', KEYS[2], dead_id)
  return 'done'
end

local became = {}
for i = 5, #ARGV do
  became[#became + 1] = redrive(ARGV[i])
  if size > BYTES then
    break
  end
end
return became
