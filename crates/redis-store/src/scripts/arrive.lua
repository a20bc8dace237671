-- idle, absolute, 'user' | '', until when a reserved place is good (0 for none), from, version,
-- created_at ('' for now), names and values
local taken = occupied()
if taken then return taken end
local deadline = tonumber(ARGV[5])
if deadline > 0 and now > deadline then return {7} end
local created = ARGV[8]
if created == '' then created = string.format('%.0f', now) end
local expires = expiry(created, ARGV[2], ARGV[3])
if expires > now then
  local bound = ARGV[4] == 'user' and math.min(created + ARGV[3], 9007199254740991) or 0
  redis.call('HSET', key, '@arriving', ARGV[6] .. state(ARGV[7], created, expires, bound))
  put('HSET', 9, #ARGV)
  expire(expires)
end
return {1, ARGV[7], now, expires}
