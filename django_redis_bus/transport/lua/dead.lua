-- Guarantees: an entry moves to the dead letters whole, byte for byte, or stays where it is. XADD comes first: a full
-- Redis refuses it, and then nothing is acked. Only its owner moves it, or an operator if no live consumer has it in
-- hand; so doing it twice adds nothing.
-- KEYS stream dead retry failures consumers
-- ARGV group consumer ('' for an operator) lease_ms reason error traceback attempts ('' for as Redis counts)
-- consumer state idle_ms (an operator's: '' or '0' for any, else only if still so) id…
-- Returns for each {done | gone | not theirs | running | changed | trimmed (its payload is gone; a consumer's is acked),
-- id of the dead letter or ''}; fewer than there are ids once they have been large, the rest is for another call
local BYTES = 4194304
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
-- include judging.lua
local group, caller = ARGV[1], ARGV[2]
local consumer, wanted, idle_ms = ARGV[8], ARGV[9], tonumber(ARGV[10])
local state_of = judging(KEYS[5], tonumber(ARGV[3]))
local size = 0

-- What was said of an operator's act, and of the failure before it; no byte of a character alone.
local function error_of(note)
  local text = ARGV[5]
  if caller == '' and type(note.error) == 'string' and note.error ~= '' then
    text = text .. '. Before: ' .. note.error
  end
  return #text > 1000 and caller == '' and string.gsub(string.sub(text, 1, 1000), '[\194-\244][\128-\191]*$', '') or text
end

local function letter(id, pending, note, fields)
  local add = {
    'XADD', KEYS[2], '*',
    'dead_group', group,
    'dead_entry', id,
    'dead_reason', ARGV[4],
    'dead_error', error_of(note),
    'dead_traceback', ARGV[6],
    'dead_attempts', ARGV[7] ~= '' and ARGV[7] or pending[4],
    'dead_consumer', pending[2],
    'dead_first', string.format('%.0f', tonumber(note.first) or now),
    'dead_last', string.format('%.0f', now),
  }
  -- Lua's stack ends at 8,000 values: an entry of thousands of fields travels in one. And nothing that an entry says
  -- may pass for what is said of it.
  local packed = #fields > 4000
  for i = 1, #fields do
    packed = packed or (i % 2 == 1 and string.sub(fields[i], 1, 5) == 'dead_')
    size = size + #fields[i]
  end
  if packed then
    add[#add + 1] = 'dead_packed'
    add[#add + 1] = cmsgpack.pack(fields)
  else
    for i = 1, #fields do
      add[#add + 1] = fields[i]
    end
  end
  return redis.call(unpack(add))
end

local function bury(id)
  local pending = redis.call('XPENDING', KEYS[1], group, id, id, 1)[1]
  if not pending then
    return { 'gone', '' }
  end
  local raw = redis.call('HGET', KEYS[4], id)
  if caller ~= '' then
    if pending[2] ~= caller then
      return { 'not theirs', '' }
    end
  else
    local state = state_of(pending[2], pending[3], redis.call('ZSCORE', KEYS[3], id), raw)
    if state == 'running' then
      return { state, '' }
    end
    if
      (consumer ~= '' and consumer ~= pending[2]) or (wanted ~= '' and wanted ~= state) or pending[3] < idle_ms
    then
      return { 'changed', '' }
    end
  end
  local dead_id = ''
  local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
  if entry then
    dead_id = letter(id, pending, note_of(raw), entry[2])
  elseif caller == '' then
    return { 'trimmed', '' }
  end
  redis.call('XACK', KEYS[1], group, id)
  redis.call('ZREM', KEYS[3], id)
  redis.call('HDEL', KEYS[4], id)
  return { entry and 'done' or 'trimmed', dead_id }
end

local became = {}
for i = 11, #ARGV do
  became[#became + 1] = bury(ARGV[i])
  if size > BYTES then
    break
  end
end
return became
