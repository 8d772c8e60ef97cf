-- Guarantees: an entry whose id was added within the window is not added again, nor one whose batch has run; a batch
-- that has not run by then never will. An entry is added, in order, and its id noted, or neither: XADD comes first, and
-- a full Redis refuses it (no allow-oom here). When Redis refuses one, those behind it are not added either, lest they
-- overtake it; one of too many fields stops no other.
-- KEYS stream, key of the id of each entry…, keys of tokens…
-- ARGV window_ms count {place of the token's key after the stream's or 0, number of parts, field, value…}…
-- Returns for each entry: its id if it was added | {its id, or '' if it is not noted} if it was known | an error
local window, count = ARGV[1], tonumber(ARGV[2])
local MOST = 7900 -- values that Lua can pass to a command
local held = redis.call('MGET', unpack(KEYS, 2))
local here = {} -- an id may come twice in one call
local answers = {}
local refused -- why nothing more is added
local at = 3
for i = 1, count do
  local token, first = tonumber(ARGV[at]), at + 2
  local last = first + tonumber(ARGV[at + 1]) - 1
  local note = KEYS[i + 1]
  local known = held[i] or here[note] or (held[token] == 'ran' and '')
  if not known and not refused and token > 0 and not held[token] then
    local set = redis.pcall('SET', KEYS[token + 1], 'void', 'PX', window)
    refused = set.err and set
    held[token] = 'void'
  end
  if known then
    answers[i] = { known == 'ran' and '' or known }
  elseif refused then
    answers[i] = refused
  elseif last - first >= MOST then
    answers[i] = { err = 'ERR an entry of so many fields cannot be told from a copy of it' }
  else
    local added = redis.pcall('XADD', KEYS[1], '*', unpack(ARGV, first, last))
    answers[i] = added
    if type(added) ~= 'string' then
      refused = added
    else
      redis.call('SET', note, added, 'PX', window)
      here[note] = added
    end
  end
  at = last + 1
end
return answers
