-- Guarantees: changes nothing. Entries come with their fields, so they are counted in small pages that begin with one and
-- grow as far as what has come is small: little more than so many bytes is read, or one entry.
-- Not a script: it is put into those that include it.
local STEP, STEP_BYTES = 20, 500000

local function bytes_of(entry)
  local sum = 0
  for _, text in ipairs(entry[2]) do
    sum = sum + #text
  end
  return sum
end

-- Returns how many entries there are from one id to another ("XREVRANGE": backwards), the id of the last that was
-- counted (nil if none was), the bytes that were read, and whether the end was reached.
local function counting(command, key, first, last, most, bytes)
  local found, read, want, reached = 0, 0, 1, nil
  while found < most and read < bytes do
    want = math.min(want, most - found)
    local page = redis.call(command, key, first, last, 'COUNT', want)
    for _, entry in ipairs(page) do
      read = read + bytes_of(entry)
      reached = entry[1]
    end
    found = found + #page
    if #page < want then
      return found, reached, read, true
    end
    first = '(' .. reached
    want = math.max(1, math.min(2 * want, STEP, math.floor(STEP_BYTES * found / math.max(read, 1))))
  end
  return found, reached, read, false
end
