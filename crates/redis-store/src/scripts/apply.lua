-- As above; of ARGV[4]: idle, absolute, raised bound, 'merge' | 'bound' | 'clear', 'restart' | '', 'user' | ''
local idle, absolute, raised, mode, restart, user =
  string.match(ARGV[4], '^(%d+) (%d+) (%-?%d+) (%a+) (%a*) (%a*)$')
local base, following = string.match(ARGV[2], '^%[(%d+)'), string.match(ARGV[7], '^%[(%d+)')
local version, created, bound = live()
if not version then return absent() end
if version ~= base then
  if mode ~= 'merge' or #version > 15 then return {2, now, redis.call('HGETALL', key)} end
  following = string.format('%.0f', version + 1)
end
if restart == 'restart' then created = string.format('%.0f', now) end
local reach = math.min(created + absolute, 9007199254740991)
if user == 'user' or (bound > 0 and reach > bound) then
  if reach > tonumber(raised) then return {4} end
  bound = reach
end
if mode == 'clear' then clear() end
local expires = expiry(created, idle, absolute)
local last = tonumber(ARGV[5])
if last <= 4000 then
  redis.call('HSET', key, '@state', state(following, created, expires, bound), unpack(ARGV, 8, last))
else
  redis.call('HSET', key, '@state', state(following, created, expires, bound))
  put('HSET', 8, last)
end
if #ARGV > last then put('HDEL', last + 1, #ARGV) end
expire(expires)
return {1, following, now, expires}
