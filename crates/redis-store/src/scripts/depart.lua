-- base version, to, until when the mark is kept, created_at
local version, created = live()
if not version then return absent() end
if version ~= ARGV[2] or created ~= ARGV[5] then return {2, now, redis.call('HGETALL', key)} end
redis.call('DEL', key)
if tonumber(ARGV[4]) > now then
  redis.call('HSET', key, '@moved', ARGV[3])
  expire(tonumber(ARGV[4]))
end
return {1}
