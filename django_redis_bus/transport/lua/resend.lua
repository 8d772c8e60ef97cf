-- Guarantees: a corrected copy of a dead letter is added to the stream and the letter removed, both or neither; of many
-- who do so at one time, one does. XADD comes first: a full Redis refuses it (no allow-oom here), and the letter stays.
-- KEYS stream dead   ARGV id of the letter, group ('' for none that has to exist), field, value…
-- Returns the id of the new entry; '' if there is no such letter, 'no group' if the stream has no such group
if #redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1]) == 0 then
  return ''
end
local here = ARGV[2] == ''
if not here then
  local ok, groups = pcall(redis.call, 'XINFO', 'GROUPS', KEYS[1])
  for _, g in ipairs(ok and groups or {}) do
    here = here or g[2] == ARGV[2]
  end
end
if not here then
  return 'no group'
end
local added = redis.call('XADD', KEYS[1], '*', unpack(ARGV, 3))
redis.call('XDEL', KEYS[2], ARGV[1])
return added
