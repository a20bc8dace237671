-- As `set`, where fields are removed too, or the session ends at another time than before.
--
-- the state that was read, when the session ends, which of the arguments is the last that is set, the state,
-- names and values to set, names to remove
local key, call, args = KEYS[1], redis.call, ARGV
local found = call('HGET', key, '@state')
if found == args[1] then
  call('HSET', key, '@state', unpack(args, 4, args[3]))
  if #args > args[3] + 0 then call('HDEL', key, unpack(args, args[3] + 1)) end
  call('PEXPIREAT', key, args[2])
  return 1
end
