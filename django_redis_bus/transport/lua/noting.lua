-- Guarantees: changes nothing. What is noted in JSON is read in one place, and what is no note is as if nothing were noted:
-- one that somebody else has written must not stop a group.
-- Not a script: it is put into those that include it.

-- Returns a note, {} for nothing and for what is none; a part that is not what it has to be is left out.
local function note_of(raw)
  local ok, note = pcall(cjson.decode, raw or '')
  if not ok or type(note) ~= 'table' then
    return {}
  end
  for _, name in ipairs({ 'expired', 'crashes', 'first', 'last', 'beat', 'lease_ms', 'again' }) do
    if type(note[name]) ~= 'number' then
      note[name] = nil
    end
  end
  for _, name in ipairs({ 'error', 'token' }) do
    if type(note[name]) ~= 'string' then
      note[name] = nil
    end
  end
  return note
end

