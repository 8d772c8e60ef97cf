-- Guarantees: changes nothing. Gives entries as far as the bytes go, or one: however large they are, whoever asks has no
-- more of them in memory.
-- KEYS stream   ARGV XRANGE or XREVRANGE, first id, last id, entries at most, bytes at most, values of each at most
-- Returns {entries, id of the one behind them or '' at the end}
-- include counting.lua
local first, most, bytes_left, values = ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local found = {}
while true do
  local entry = redis.call(ARGV[1], KEYS[1], first, ARGV[3], 'COUNT', 1)[1]
  if not entry then
    return { found, '' }
  end
  bytes_left = bytes_left - bytes_of(entry)
  if #found >= most or (bytes_left < 0 and #found > 0) then
    return { found, entry[1] }
  end
  for i = #entry[2], values + 1, -1 do
    entry[2][i] = nil
  end
  found[#found + 1] = entry
  first = '(' .. entry[1]
end
