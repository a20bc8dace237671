-- idle, absolute, 'user' | '', until when a reserved place is good (0 for none), names and values
local taken = occupied()
if taken then return taken end
local deadline = tonumber(ARGV[5])
if deadline > 0 and now > deadline then return {7} end
local expires = expiry(now, ARGV[2], ARGV[3])
if expires > now then
  local bound = ARGV[4] == 'user' and math.min(now + ARGV[3], 9007199254740991) or 0
  redis.call('HSET', key, '@state', state('1', string.format('%.0f', now), expires, bound))
  put('HSET', 6, #ARGV)
  expire(expires)
end
return {1, '1', now, expires}
