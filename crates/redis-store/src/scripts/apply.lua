-- idle, absolute, raised bound, base version, next version, 'merge' | 'bound' | 'clear', 'restart' | '',
-- 'user' | '', count of set arguments, names and values to set, names to remove
local version, created, bound = live()
if not version then return absent() end
local following = ARGV[6]
if version ~= ARGV[5] then
  if ARGV[7] ~= 'merge' or #version > 15 then return {2, now, redis.call('HGETALL', key)} end
  following = string.format('%.0f', version + 1)
end
if ARGV[8] == 'restart' then created = string.format('%.0f', now) end
local reach = math.min(created + ARGV[3], 9007199254740991)
if ARGV[9] == 'user' or (bound > 0 and reach > bound) then
  if reach > tonumber(ARGV[4]) then return {4} end
  bound = reach
end
if ARGV[7] == 'clear' then
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if string.sub(name, 1, 1) ~= '@' or string.sub(name, 1, 2) == '@@' then
      redis.call('HDEL', key, name)
    end
  end
end
local expires = expiry(created, ARGV[2], ARGV[3])
local last = 10 + ARGV[10]
if last <= 4000 then
  redis.call('HSET', key, '@state', state(following, created, expires, bound), unpack(ARGV, 11, last))
else
  redis.call('HSET', key, '@state', state(following, created, expires, bound))
  put('HSET', 11, last)
end
if #ARGV > last then put('HDEL', last + 1, #ARGV) end
expire(expires)
return {1, following, now, expires}
