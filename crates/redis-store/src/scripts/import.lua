-- version, created_at, last_active, expires_at, 'user' | '', names and values
local taken = occupied()
if taken then return taken end
local expires = tonumber(ARGV[5])
if expires > now then
  local bound = ARGV[6] == 'user' and math.min(expires, 9007199254740991) or 0
  redis.call('HSET', key, '@state', string.format('[%s,%s,%.0f,%s,%s]', ARGV[2], ARGV[3], bound, ARGV[4], ARGV[5]))
  put('HSET', 7, #ARGV)
  expire(expires)
end
return {1, ARGV[2], now, expires}
