-- Guarantees: changes nothing. Looks at a bounded number of entries and bytes, however long the stream and its lists of
-- pending entries are.
-- KEYS stream dead groups paused   ARGV count at most per group
-- Returns {type, dead letters, what is paused (flat), …}; of a stream further {length, entries ever added, first id,
-- last generated id, bytes or '', {newest entries looked at, id of the oldest of them}, groups}, of each group {name,
-- last delivered id, pending, unread, 1 if there may be more unread, lowest pending id or '', first unread id or '',
-- ms when it last had a live consumer or ''}
local most = tonumber(ARGV[1])
local entries_left, bytes_left = 2 * most, 4000000 -- over all groups: counting reads whole entries
local NEWEST, NEWEST_BYTES, PAGE, PAGE_BYTES = 50, 500000, 100, 500000

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

local seen = { 'stream', tried('XLEN', KEYS[2]) or 0, tried('HGETALL', KEYS[4]) or {} }
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
if info.err then
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
local length = info['length']
local bytes = tried('MEMORY', 'USAGE', KEYS[1])
local average = bytes and length > 0 and bytes / length or 1000

local function size(page)
  local sum = 0
  for _, entry in ipairs(page) do
    for _, text in ipairs(entry[2]) do
      sum = sum + #text
    end
  end
  return sum
end

-- Where Redis does not know the number (a group made at some id, entries deleted), count.
local function unread(last)
  if #redis.call('XRANGE', KEYS[1], '-', last, 'COUNT', 1) == 0 then
    return length, 0 -- it has read nothing that is still there
  end
  local found, want = 0, math.max(1, math.min(PAGE, math.floor(PAGE_BYTES / average)))
  while found < most and entries_left > 0 and bytes_left > 0 do
    want = math.min(want, most - found, entries_left)
    local page = redis.call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', want)
    found = found + #page
    if #page < want then
      return found, 0
    end
    last = page[#page][1]
    local read = size(page)
    entries_left, bytes_left = entries_left - #page, bytes_left - read
    want = math.max(1, math.min(PAGE, math.floor(PAGE_BYTES * #page / math.max(read, 1))))
  end
  return found, 1
end

local want = math.max(2, math.min(NEWEST, math.floor(NEWEST_BYTES / average)))
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', want)
local groups = {}
for i, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = named(flat)
  local last, number, more = group['last-delivered-id'], group['lag'], 0
  if not number then
    number, more = unread(last)
  end
  local lowest = ''
  if group['pending'] > 0 then
    lowest = redis.call('XPENDING', KEYS[1], group['name'])[2] or ''
  end
  local first = redis.call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', 1)[1]
  groups[i] = {
    group['name'], last, group['pending'], number, more, lowest, first and first[1] or '',
    tried('HGET', KEYS[3], group['name']) or '',
  }
end
for _, fact in ipairs({
  length,
  info['entries-added'] or 0,
  info['first-entry'] and info['first-entry'][1] or '',
  info['last-generated-id'],
  bytes or '',
  { #newest, #newest > 0 and newest[#newest][1] or '' },
  groups,
}) do
  seen[#seen + 1] = fact
end
return seen
