#!lua flags=allow-oom
-- Guarantees: a user is there while at least one of the user's sockets is; coming and going is published once, whichever
-- process sees it; a socket whose process fell silent goes when it expires, by Redis's clock.
-- KEYS members (sorted set of "<socket> <user id>" -> ms when it expires), people (hash of user id ->
-- "<number of sockets> <what others see>")
-- ARGV channel, ms until a socket expires, '1' if the members are wanted, then the pieces of the message that tells: its
-- head, what stands before its type, what stands before the member, its tail, the type for joined, the type for left;
-- then how many sockets are there, for each its name, user id and what others see; then "<socket> <user id>" of each
-- that has gone
-- Returns the values of people, or {}
local members, people = KEYS[1], KEYS[2]
local channel, expiry, wanted = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local head, before_type, before_member, tail, joined, left = unpack(ARGV, 4, 9)
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local told = 0

local function tell(what, member)
  told = told + 1
  redis.pcall('PUBLISH', channel, head .. told .. before_type .. what .. before_member .. member .. tail)
end

local function come(user, member)
  local known = redis.call('HGET', people, user)
  local sockets = known and tonumber(string.match(known, '^%d+')) or 0
  redis.call('HSET', people, user, string.format('%d ', sockets + 1) .. member)
  if sockets == 0 then
    tell(joined, member)
  end
end

local function go(entry)
  local user = string.match(entry, '^[^ ]* (.*)$')
  local known = user and redis.call('HGET', people, user)
  if not known then
    return
  end
  local sockets, member = string.match(known, '^(%d+) (.*)$')
  if tonumber(sockets) > 1 then
    redis.call('HSET', people, user, string.format('%d ', tonumber(sockets) - 1) .. member)
  else
    redis.call('HDEL', people, user)
    tell(left, member)
  end
end

-- Those who are there first: a user who changes sockets has not been away.
local at = 11 + 3 * tonumber(ARGV[10])
for i = 11, at - 1, 3 do
  if redis.call('ZADD', members, now + expiry, ARGV[i] .. ' ' .. ARGV[i + 1]) == 1 then
    come(ARGV[i + 1], ARGV[i + 2])
  end
end
for i = at, #ARGV do
  if redis.call('ZREM', members, ARGV[i]) == 1 then
    go(ARGV[i])
  end
end
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', members, '-inf', now, 'LIMIT', 0, 1000)) do
  redis.call('ZREM', members, entry)
  go(entry)
end
redis.call('PEXPIRE', members, 2 * expiry)
redis.call('PEXPIRE', people, 2 * expiry)
return wanted and redis.call('HVALS', people) or {}
