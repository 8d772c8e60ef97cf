-- Guarantees: changes nothing; looks at a bounded number of entries and bytes.
-- KEYS stream   ARGV first id, last id
-- Returns {entries counted, place to go on at as the first id, or '' at the end}
local MOST, BYTES = 2000, 4000000
-- include counting.lua
local found, reached, _, ended = counting('XRANGE', KEYS[1], ARGV[1], ARGV[2], MOST, BYTES)
return { found, ended and '' or '(' .. reached }
