#!lua flags=allow-oom
-- Guarantees: a pause is noted on a full Redis as well: there it is needed most.
-- KEYS paused   ARGV what is paused, note
-- Returns 1
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
