#!lua flags=allow-oom
-- Guarantees: afterwards the group exists; an existing group keeps its position; a group that was lost
-- (XGROUP DESTROY, DEL) comes back just before the lowest entry it still needed, never at the end.
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

local created, recreated = 0, 0
local info = find()
if not info then
  local start = redis.call('GET', KEYS[2])
  if start then
    recreated = 1
  else
    start = ARGV[2]
  end
  redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], start, 'MKSTREAM')
  created = 1
  info = find()
end
return { created, recreated, redis.call('XLEN', KEYS[1]), info['lag'] or -1 }
