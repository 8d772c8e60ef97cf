#!lua flags=allow-oom
-- Guarantees: a process is known by its newest record, with the moment by Redis's clock; a few of those that fell silent
-- long ago are forgotten.
-- KEYS listeners   ARGV name, record (JSON), ms after which it is forgotten
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local record = cjson.decode(ARGV[2])
record.beat = now
if #record.topics == 0 then
  record.topics = nil -- cjson would make an object of it
end
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(record))
local some = redis.call('HRANDFIELD', KEYS[1], 10, 'WITHVALUES')
for i = 1, #some, 2 do
  local ok, known = pcall(cjson.decode, some[i + 1])
  if not ok or type(known) ~= 'table' or now - (tonumber(known.beat) or 0) > tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[1], some[i])
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
