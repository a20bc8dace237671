-- What most changes are: fields of the state that was read are set. Where it is another one now, the text that
-- follows answers.
--
-- the state that was read, the state, names and values
local key, call, args = KEYS[1], redis.call, ARGV
local found = call('HGET', key, '@state')
if found == args[1] then
  call('HSET', key, '@state', unpack(args, 2))
  return 1
end
