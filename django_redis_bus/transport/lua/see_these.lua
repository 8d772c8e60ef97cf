-- Guarantees: changes nothing. Gives entries as far as the bytes go, or one, as see_entries.lua does.
-- KEYS stream   ARGV bytes at most, values of each at most, id…
-- Returns for each id its entry, or '' if the stream has none; fewer than there are ids once the bytes are used up, the
-- rest is for another call
-- include counting.lua
local bytes_left, values = tonumber(ARGV[1]), tonumber(ARGV[2])
local found = {}
for i = 3, #ARGV do
  local entry = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i], 'COUNT', 1)[1]
  if entry then
    bytes_left = bytes_left - bytes_of(entry)
    if bytes_left < 0 and #found > 0 then
      break
    end
    for j = #entry[2], values + 1, -1 do
      entry[2][j] = nil
    end
  end
  found[#found + 1] = entry or ''
end
return found
