-- Guarantees: an entry moves to the dead letters whole, byte for byte, or stays where it is. XADD comes first: a full
-- Redis refuses it, and then nothing is acked. Only the owner moves it, so doing it twice adds nothing.
-- KEYS stream dead retry failures
-- ARGV group consumer id attempts reason error traceback
-- Returns {1 moved | 0 not the caller's, id of the dead letter or ''}
local group, consumer, id = ARGV[1], ARGV[2], ARGV[3]
local pending = redis.call('XPENDING', KEYS[1], group, id, id, 1)
if #pending == 0 or pending[1][2] ~= consumer then
  return { 0, '' }
end
local dead_id = ''
local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
if entry then
  local t = redis.call('TIME')
  local now = t[1] * 1000 + math.floor(t[2] / 1000)
  local raw = redis.call('HGET', KEYS[4], id)
  local record = raw and cjson.decode(raw) or {}
  local add = {
    'XADD', KEYS[2], '*',
    'dead_group', group,
    'dead_entry', id,
    'dead_reason', ARGV[5],
    'dead_error', ARGV[6],
    'dead_traceback', ARGV[7],
    'dead_attempts', ARGV[4],
    'dead_consumer', consumer,
    'dead_first', string.format('%.0f', record.first or now),
    'dead_last', string.format('%.0f', now),
  }
  local fields = entry[2]
  if #fields > 4000 then
    -- Lua's stack ends at 8,000 values: an entry of thousands of fields travels in one
    add[#add + 1] = 'dead_packed'
    add[#add + 1] = cmsgpack.pack(fields)
  else
    for i = 1, #fields do
      add[#add + 1] = fields[i]
    end
  end
  dead_id = redis.call(unpack(add))
end
redis.call('XACK', KEYS[1], group, id)
redis.call('ZREM', KEYS[3], id)
redis.call('HDEL', KEYS[4], id)
return { 1, dead_id }
