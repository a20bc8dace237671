-- idle, absolute, bound that the user's set was raised to
local version, created, bound = live()
if not version then return absent() end
local reach = math.min(created + ARGV[3], 9007199254740991)
if bound > 0 then
  if reach > bound and reach > tonumber(ARGV[4]) then return {4} end
  bound = reach
end
local expires = expiry(created, ARGV[2], ARGV[3])
redis.call('HSET', key, '@state', state(version, created, expires, bound))
expire(expires)
return {1, version, now, expires}
