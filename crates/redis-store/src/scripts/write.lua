-- What most changes are: fields of the state that was read are set and removed. Everything else is the work of
-- the text that follows this one, whose functions are not even made here.
--
-- shift of the clock, the state that was read, when the session ends, what the text that follows needs, which of
-- the arguments is the last that is set, '@state', the state, names and values to set, names to remove. Where the
-- caller does not know the times, the states are their beginnings, which no state equals
do
  local key, call, args = KEYS[1], redis.call, ARGV
  if call('HGET', key, '@state') == args[2] then
    call('HSET', key, unpack(args, 6, args[5]))
    if #args > args[5] + 0 then call('HDEL', key, unpack(args, args[5] + 1)) end
    call('PEXPIREAT', key, args[3])
    return 1
  end
end
