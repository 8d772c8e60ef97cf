#!lua flags=allow-oom
-- Guarantees: what follows a place is given whole and in order, or nothing is called recovered. A place is found again
-- only if the very entry is still there: after Redis lost data, the same number has another random part.
-- Where there is no epoch yet, one begins if the caller names it, so that a place before the first message is one. It
-- lives for so long after the last who asked, until the first message is published.
-- KEYS live history
-- ARGV the place's epoch ('' for none), its offset, most messages to give, name of a new epoch ('' for none), ms to keep
-- it
-- Returns {epoch or '', newest offset or '', 1 recovered | 0 not | -1 no place was given, messages…}
local live, history = KEYS[1], KEYS[2]
local asked, place, limit, fresh, age = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local epoch, n = unpack(redis.call('HMGET', live, 'epoch', 'n'))
n = epoch and tonumber(n)
if not n then
  if fresh == '' then
    return { '', '', asked == '' and -1 or 0 }
  end
  redis.call('DEL', live, history)
  redis.call('HSET', live, 'epoch', fresh, 'n', '0')
  redis.call('PEXPIRE', live, age)
  return { fresh, '0-0', asked == '' and -1 or 0 }
end

if n == 0 and fresh ~= '' then
  redis.call('PEXPIRE', live, age)
end
local newest = redis.call('XREVRANGE', history, '+', '-', 'COUNT', 1)[1]
-- Without its entry the last number is no place that can be found again, except the one before the first.
local last = newest and newest[1] or string.format('%.0f-0', n)
local recovered = asked == '' and -1 or 0
local found = {}
if asked == epoch then
  local follows
  if place == '0-0' then
    local oldest = redis.call('XRANGE', history, '-', '+', 'COUNT', 1)[1]
    if n == 0 or (oldest and string.sub(oldest[1], 1, 2) == '1-') then
      follows = redis.call('XRANGE', history, '-', '+', 'COUNT', limit + 1)
    end
  elseif #redis.call('XRANGE', history, place, place) == 1 then
    follows = redis.call('XRANGE', history, '(' .. place, '+', 'COUNT', limit + 1)
  end
  if follows and #follows <= limit then
    recovered = 1
    found = follows
  end
end
if recovered ~= 1 and limit > 0 then
  local backwards = redis.call('XREVRANGE', history, '+', '-', 'COUNT', limit)
  for i = #backwards, 1, -1 do
    found[#found + 1] = backwards[i]
  end
end
local answer = { epoch, last, recovered }
for _, entry in ipairs(found) do
  answer[#answer + 1] = entry[2][2]
end
return answer
