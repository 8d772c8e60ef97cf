-- Guarantees: changes nothing; what it reads and returns is bounded, however many entries wait for a retry.
-- KEYS stream consumers retry replay   ARGV group, '1' if its consumers and keys are wanted, fields of a replay…
-- Returns {waiting for a retry, due of them, ms when the first is due or '', records of consumers (flat), values of those
-- fields, consumers {name, pending, idle ms}, ordering keys of the first that wait for a retry}
local MOST, KEYS_OF, KEY_BYTES, BYTES = 1000, 20, 1000, 4000000
local t = redis.call('TIME')
local now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))

local function tried(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    return nil
  end
  return reply
end

local records
if (tried('HLEN', KEYS[2]) or 0) <= MOST then
  records = tried('HGETALL', KEYS[2]) or {}
else
  records = tried('HSCAN', KEYS[2], 0, 'COUNT', MOST)[2]
end
local waiting = tried('ZRANGE', KEYS[3], 0, KEYS_OF - 1, 'WITHSCORES') or {}
local consumers, keys = {}, {}
if ARGV[2] == '1' then
  for i, flat in ipairs(tried('XINFO', 'CONSUMERS', KEYS[1], ARGV[1]) or {}) do
    if i > MOST then
      break
    end
    consumers[i] = { flat[2], flat[4], flat[6] }
  end
  local known, read = {}, 0
  for i = 1, #waiting, 2 do
    if read > BYTES then
      break
    end
    local entry = tried('XRANGE', KEYS[1], waiting[i], waiting[i], 'COUNT', 1)
    local fields = entry and entry[1] and entry[1][2] or {}
    for j = 1, #fields, 2 do
      read = read + #fields[j] + #(fields[j + 1] or '')
      if fields[j] == 'ce_partitionkey' and not known[fields[j + 1]] then
        known[fields[j + 1]] = true
        keys[#keys + 1] = string.sub(fields[j + 1], 1, KEY_BYTES)
      end
    end
  end
end
return {
  tried('ZCARD', KEYS[3]) or 0,
  tried('ZCOUNT', KEYS[3], '-inf', now) or 0,
  waiting[2] or '',
  records,
  tried('HMGET', KEYS[4], unpack(ARGV, 3)) or {},
  consumers,
  keys,
}
