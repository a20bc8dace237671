-- from
local arriving = redis.call('HGET', key, '@arriving')
if arriving and string.sub(arriving, 1, 64) == ARGV[2] then
  redis.call('HSET', key, '@state', string.sub(arriving, 65))
  redis.call('HDEL', key, '@arriving')
  return {1}
end
return {0}
