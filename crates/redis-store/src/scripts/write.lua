-- What most changes are: fields of the version that was read are set and removed. Everything else is the
-- work of the text that follows this one, whose functions are not even made here.
--
-- shift of the clock, what the state begins with ('' for none), the server's second as the caller reckons it
-- and the one after, when the session ends, what the text that follows needs, which of the arguments is the
-- last that is set, '@state', the state, names and values to set, names to remove
do
  local key, call, args = KEYS[1], redis.call, ARGV
  local text = call('HGET', key, '@state')
  if text and args[2] ~= '' and string.find(text, args[2], 1, true) == 1
    -- The caller's times are good if the server's clock agrees. To make texts of numbers here would take
    -- half as long again.
    and string.find(args[3], call('TIME')[1], 1, true)
    -- What has expired is not here, unless a test turned the clock.
    and (args[1] == '0' or string.match(text, '^%-?%d+,(%-?%d+)%]$', #args[2] + 1) + 0
      > string.match(args[8], '(%-?%d+),%-?%d+%]$') + 0) then
    call('HSET', key, unpack(args, 7, args[6]))
    if #args > args[6] + 0 then call('HDEL', key, unpack(args, args[6] + 1)) end
    call('PEXPIREAT', key, args[4])
    return 1
  end
end
