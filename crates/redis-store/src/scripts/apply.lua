-- As above; of ARGV[5]: idle, absolute, raised bound, base version, next version, 'merge' | 'bound' | 'clear',
-- 'restart' | '', 'user' | ''
local idle, absolute, raised, base, following, mode, restart, user =
  string.match(ARGV[5], '^(%d+) (%d+) (%-?%d+) (%d+) (%d+) (%a+) (%a*) (%a*)$')
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
local last = tonumber(ARGV[6])
if last <= 4000 then
  redis.call('HSET', key, '@state', state(following, created, expires, bound), unpack(ARGV, 9, last))
else
  redis.call('HSET', key, '@state', state(following, created, expires, bound))
  put('HSET', 9, last)
end
if #ARGV > last then put('HDEL', last + 1, #ARGV) end
expire(expires)
return {1, following, now, expires}
