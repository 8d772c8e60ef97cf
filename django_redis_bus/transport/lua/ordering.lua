-- Guarantees: changes nothing. Compares entry ids, whose parts are larger than Lua's numbers are exact.
-- Not a script: it is put into those that include it.

-- Returns whether an id is before another.
local function less(a, b)
  local am, as = string.match(a, '^(%d+)-?(%d*)$')
  local bm, bs = string.match(b, '^(%d+)-?(%d*)$')
  if am ~= bm then
    return #am < #bm or (#am == #bm and am < bm)
  end
  return #as < #bs or (#as == #bs and as < bs)
end

