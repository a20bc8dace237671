-- What most changes are: fields of the version that was read are set and removed. Everything else is the
-- work of the text that follows this one, whose functions are not even made here.
--
-- shift of the clock, what the state begins with ('' for none), the server's second as the caller reckons it
-- and the one after, now, when the session ends, what the text that follows needs, last of the arguments that
-- are set, '@state', the state, names and values to set, names to remove
do
  local key, call, args = KEYS[1], redis.call, ARGV
  local expected, text = args[2], call('HGET', KEYS[1], '@state')
  if text and expected ~= '' and string.sub(text, 1, #expected) == expected then
    -- The caller's times are good if the server's clock agrees. To make texts of numbers here would take
    -- half as long again. What has expired is not here, unless a test turned the clock.
    local second = call('TIME')[1]
    if (second == args[3] or second == args[4]) and (args[1] == '0'
      or string.match(text, '^%-?%d+,(%-?%d+)%]$', #expected + 1) + 0 > args[5] + 0) then
      call('HSET', key, unpack(args, 9, args[8]))
      if #args > args[8] + 0 then call('HDEL', key, unpack(args, args[8] + 1)) end
      call('PEXPIREAT', key, args[6])
      return 1
    end
  end
end
