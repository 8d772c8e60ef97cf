#!lua flags=allow-oom
-- Guarantees: a name is in a set of names, also on a full Redis: who consumes makes room there.
-- KEYS set   ARGV name
-- Returns 1 if it was not there
return redis.call('SADD', KEYS[1], ARGV[1])
