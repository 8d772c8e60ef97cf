#!lua flags=allow-oom
-- Guarantees: afterwards the group exists; an existing group keeps its position; a group that was lost
-- (XGROUP DESTROY, DEL) comes back just before the lowest entry it still needed, unless a start other than 0 is asked
-- for; in a stream that was made anew meanwhile it comes back at the beginning.
-- KEYS stream position   ARGV group start
-- Returns {created, recreated, length of the stream, entries the group has not read or -1 if Redis cannot tell}
local function find()
  local ok, groups = pcall(redis.call, 'XINFO', 'GROUPS', KEYS[1])
  if not ok then
    return nil
  end
  for _, g in ipairs(groups) do
    local info = {}
    for i = 1, #g, 2 do
      info[g[i]] = g[i + 1]
    end
    if info['name'] == ARGV[1] then
      return info
    end
  end
end

-- include ordering.lua
local function reached(position)
  -- ids never fall in one stream: if its highest is below the position, that was another stream's
  local ok, info = pcall(redis.call, 'XINFO', 'STREAM', KEYS[1])
  if not ok then
    return false
  end
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      return not less(info[i + 1], position)
    end
  end
end

local created, recreated = 0, 0
local info = find()
if not info then
  local start = ARGV[2]
  local position = start == '0' and redis.call('GET', KEYS[2])
  if position and reached(position) then
    start = position
    recreated = 1
  end
  redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], start, 'MKSTREAM')
  created = 1
  info = find()
end
return { created, recreated, redis.call('XLEN', KEYS[1]), info['lag'] or -1 }
