-- Guarantees: a message is counted, kept and published in one step, so that what is kept is what was heard, in the same
-- order; each one published says where it stands. One that cannot be kept (a full Redis: no allow-oom here) is not
-- published, nor are those behind it, lest the numbers lie. Offsets of one epoch never go back: where the number is
-- unknown (expired, flushed), a new epoch begins and what was kept under the old one goes.
-- KEYS live history
-- ARGV channel, how many to keep, ms to keep them, name of a new epoch, then for each message: a random number ('': it
-- is not kept) and the JSON without its last brace
-- Returns {epoch, {receivers, offset or ''} or an error for each message…}
local live, history = KEYS[1], KEYS[2]
local channel, keep, age, fresh = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local epoch, n = unpack(redis.call('HMGET', live, 'epoch', 'n'))
n = epoch and tonumber(n)
if not n then
  -- Not without need: after its first write a script is no longer refused for want of memory.
  if redis.call('EXISTS', history) == 1 then
    redis.call('DEL', history)
  end
  epoch, n = fresh, 0
end
local kept = false
local refused -- why nothing more is published
local answers = { epoch }

-- The message as it is published, and its offset; or the error of adding it.
local function add(luck, body)
  local offset = string.format('%.0f-%s', n + 1, luck)
  local message = body .. ',"epoch":"' .. epoch .. '","offset":"' .. offset .. '"}'
  local added = redis.pcall('XADD', history, 'MAXLEN', '=', keep, offset, 'e', message)
  if added.err then
    return nil, added
  end
  return message, offset
end

local function cast(luck, body)
  if luck == '' then
    local heard = redis.pcall('PUBLISH', channel, body .. '}')
    return type(heard) == 'number' and { heard, '' } or heard
  end
  local message, offset = add(luck, body)
  if not message and string.find(offset.err, 'equal or smaller', 1, true) then
    -- somebody set the number back: what is kept has offsets that were not given under this epoch
    redis.call('DEL', history)
    epoch, n = fresh, 0
    answers[1] = epoch
    message, offset = add(luck, body)
  end
  if not message then
    return offset
  end
  local heard = redis.pcall('PUBLISH', channel, message)
  if type(heard) ~= 'number' then
    redis.call('XDEL', history, offset)
    return heard
  end
  n = n + 1
  kept = true
  return { heard, offset }
end

for i = 5, #ARGV, 2 do
  local answer = refused or cast(ARGV[i], ARGV[i + 1])
  refused = answer.err and answer
  answers[#answers + 1] = answer
end
if kept then
  redis.call('HSET', live, 'epoch', epoch, 'n', string.format('%.0f', n))
  redis.call('PEXPIRE', live, age)
  redis.call('PEXPIRE', history, age)
end
return answers
