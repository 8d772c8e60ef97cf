-- Guarantees: changes nothing. Looks at a bounded number of entries and bytes, however long the stream and its lists of
-- pending entries are, and closely at a bounded number of groups: those that are named, then those with most to do.
-- KEYS stream dead groups paused   ARGV count at most per group, groups at most, number of names, names of groups… , what
-- else may be paused…
-- Returns {type, dead letters, what is paused (flat), …}; of a stream further {length, entries ever added, first id,
-- last generated id, bytes or '', {newest entries looked at, id of the oldest of them}, groups, how many there are}, of
-- each group {name, last delivered id, pending, unread, 1 if there may be more unread, lowest pending id or '', first
-- unread id or '', ms when it last had a live consumer or ''}
local most, most_groups, names = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local entries_left, bytes_left = 2 * most, 4000000 -- over all groups: counting reads whole entries
local firsts_left = 8000000 -- bytes of their first unread entries
local NEWEST, NEWEST_BYTES, PAUSES = 50, 2000000, 1000
-- include counting.lua

local function tried(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    return nil
  end
  return reply
end

local function named(flat)
  local found = {}
  for i = 1, #flat, 2 do
    found[flat[i]] = flat[i + 1]
  end
  return found
end

-- include ordering.lua
-- Of a hash that no bus has filled, what matters is looked up.
local function paused(groups)
  if (tried('HLEN', KEYS[4]) or 0) <= PAUSES then
    return tried('HGETALL', KEYS[4]) or {}
  end
  local found = {}
  local function add(field)
    local note = redis.call('HGET', KEYS[4], field)
    if note then
      found[#found + 1] = field
      found[#found + 1] = note
    end
  end
  for _, group in ipairs(groups) do
    add(group['name'])
  end
  for i = 4 + names, #ARGV do
    add(ARGV[i])
  end
  return found
end

local seen = { 'stream', tried('XLEN', KEYS[2]) or 0, {} }
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
if info.err then
  seen[3] = paused({})
  if string.find(info.err, 'no such key', 1, true) then
    seen[1] = 'none'
    return seen
  end
  if string.find(info.err, 'WRONGTYPE', 1, true) then
    local kind = tried('TYPE', KEYS[1])
    seen[1] = kind and kind.ok or 'other'
    return seen
  end
  return info
end
info = named(info)
local length, last_id = info['length'], info['last-generated-id']
local first_id = info['first-entry'] and info['first-entry'][1] or ''

-- Where Redis does not know the number (a group made at some id, entries deleted), count.
local function unread(last)
  if first_id == '' or less(last, first_id) then
    return length, 0 -- it has read nothing that is still there
  end
  local found, _, read, ended =
    counting('XRANGE', KEYS[1], '(' .. last, '+', math.min(most, entries_left), bytes_left)
  entries_left, bytes_left = entries_left - found, bytes_left - read
  return found, ended and 0 or 1
end

local firsts = {}
local function first_unread(last)
  if not firsts[last] then
    firsts[last] = ''
    if first_id ~= '' and less(last, first_id) then
      firsts[last] = first_id
    elseif less(last, last_id) and firsts_left > 0 then
      local first = redis.call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', 1)[1]
      if first then
        firsts[last] = first[1]
        firsts_left = firsts_left - bytes_of(first)
      end
    end
  end
  return firsts[last]
end

local function chosen()
  local wanted, shown, others = {}, {}, {}
  for i = 4, 3 + names do
    wanted[ARGV[i]] = true
  end
  local told = redis.call('XINFO', 'GROUPS', KEYS[1])
  for _, flat in ipairs(told) do
    local group = named(flat)
    if #told <= most_groups or wanted[group['name']] then
      shown[#shown + 1] = group
    else
      local behind = less(group['last-delivered-id'], last_id) and (group['lag'] or length) or 0
      group.backlog = group['pending'] + behind
      others[#others + 1] = group
    end
  end
  table.sort(others, function(a, b)
    if a.backlog ~= b.backlog then
      return a.backlog > b.backlog
    end
    return a['name'] < b['name']
  end)
  for i = 1, math.min(#others, most_groups - #shown) do
    shown[#shown + 1] = others[i]
  end
  return shown, #told
end

local newest, oldest_of_them = counting('XREVRANGE', KEYS[1], '+', '-', NEWEST, NEWEST_BYTES)
local groups, shown, number_of_groups = {}, chosen()
seen[3] = paused(shown)
for i, group in ipairs(shown) do
  local last, number, more = group['last-delivered-id'], group['lag'], 0
  if not number then
    number, more = unread(last)
  end
  local lowest = group['pending'] > 0 and redis.call('XPENDING', KEYS[1], group['name'], '-', '+', 1)[1]
  groups[i] = {
    group['name'], last, group['pending'], number, more, lowest and lowest[1] or '', first_unread(last),
    tried('HGET', KEYS[3], group['name']) or '',
  }
end
for _, fact in ipairs({
  length,
  info['entries-added'] or 0,
  first_id,
  last_id,
  tried('MEMORY', 'USAGE', KEYS[1]) or '',
  { newest, oldest_of_them or '' },
  groups,
  number_of_groups,
}) do
  seen[#seen + 1] = fact
end
return seen
