-- What most changes are: fields of the state that was read are set. Where it is another one now, the answer is
-- what is there.
--
-- the state that was read, the state, names and values
local key, call, args = KEYS[1], redis.call, ARGV
if call('HGET', key, '@state') ~= args[1] then return call('HGETALL', key) end
call('HSET', key, '@state', unpack(args, 2))
return 1
