-- What most changes are: fields of the version that was read are set and removed. Everything else is the
-- work of the text that follows this one, whose functions are not even made here.
--
-- shift of the clock, idle, what the state begins with ('' for none), what it begins with afterwards, end of
-- the absolute lifetime, last of the arguments that are set, what the text that follows needs,
-- names and values to set, names to remove
do
  local key, call = KEYS[1], redis.call
  local expected, text = ARGV[3], call('HGET', KEYS[1], '@state')
  if text and expected ~= '' and string.sub(text, 1, #expected) == expected then
    -- The time by the server's clock: asking for it costs more than asking what is left of a known end.
    -- (An end that no key can have tells nothing.)
    local left = call('PTTL', key) - ARGV[1]
    local expires = string.match(text, '^%-?%d+,(%d+)%]$', #expected + 1)
    if left > 0 and expires and #expires < 16 then
      local now = expires - left
      local ends = math.min(now + ARGV[2], ARGV[5])
      -- Numbers of up to 14 digits are written in full, and those of three thousand years have 13.
      local times = ends < 1e14 and now .. ',' .. ends or string.format('%.0f,%.0f', now, ends)
      call('HSET', key, '@state', ARGV[4] .. times .. ']', unpack(ARGV, 8, ARGV[6]))
      if #ARGV > ARGV[6] + 0 then call('HDEL', key, unpack(ARGV, ARGV[6] + 1)) end
      call('PEXPIREAT', key, ends)
      return times
    end
  end
end
