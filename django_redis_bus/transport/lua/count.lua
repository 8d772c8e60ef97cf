-- Guarantees: changes nothing; looks at a bounded number of entries.
-- KEYS stream   ARGV first id, last id
-- Returns {entries counted, id to go on at or '' at the end}
local PAGES, PAGE = 20, 100 -- entries come with their fields
local first, found = ARGV[1], 0
for _ = 1, PAGES do
  local page = redis.call('XRANGE', KEYS[1], first, ARGV[2], 'COUNT', PAGE + 1)
  if #page <= PAGE then
    return { found + #page, '' }
  end
  found = found + PAGE
  first = page[#page][1]
end
return { found, first }
