-- idle, absolute, raised bound, 'merge' | 'bound' | 'clear', 'restart' | '', 'user' | '', the version that was
-- read, the one that follows it, which of the arguments is the last that is set, names and values to set, names
-- to remove
local idle, absolute, raised, mode, restart, user, base, following = unpack(ARGV, 2, 9)
local last = tonumber(ARGV[10])
local version, created, bound = live()
if not version then return absent() end
if version ~= base then
  if mode ~= 'merge' or #version > 15 then return {2, now, redis.call('HGETALL', key)} end
  following = string.format('%.0f', version + 1)
end
if restart == 'restart' then created = string.format('%.0f', now) end
local reach = math.min(created + absolute, 9007199254740991)
if user == 'user' or bound > 0 then
  if (user == 'user' or reach > bound) and reach > tonumber(raised) then return {4} end
  bound = reach
end
if mode == 'clear' then clear() end
local expires = expiry(created, idle, absolute)
redis.call('HSET', key, '@state', state(following, created, expires, bound))
put('HSET', 11, last)
put('HDEL', last + 1, #ARGV)
expire(expires)
return {1, following, now, expires}
