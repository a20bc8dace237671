-- KEYS: old, new, the set of the user's sessions if there is a user
-- idle, absolute, base version, next version, new id, layer bound to it, 'clear' | '', 'restart' | '',
-- until when a reserved place is good (0 for ever), created_at, last of the arguments that are
-- set, names and values to set, names to remove
local version, created = live()
if not version then return absent() end
if version ~= ARGV[4] or created ~= ARGV[11] then return {2, now, redis.call('HGETALL', key)} end
if redis.call('EXISTS', KEYS[2]) == 1 then return {8} end
if tonumber(ARGV[10]) > 0 and now > tonumber(ARGV[10]) then return {7} end
if KEYS[3] and not redis.call('ZSCORE', KEYS[3], ARGV[6]) then return {9} end
redis.call('RENAME', key, KEYS[2])
key = KEYS[2]
if ARGV[8] == 'clear' then clear() end
if ARGV[9] == 'restart' then created = string.format('%.0f', now) end
local expires, bound = expiry(created, ARGV[2], ARGV[3]), 0
if KEYS[3] then bound = math.min(created + ARGV[3], 9007199254740991) end
redis.call('HSET', key, '@state', state(ARGV[5], created, expires, bound), '@layer', ARGV[7])
local last = tonumber(ARGV[12])
if last > 12 then put('HSET', 13, last) end
if #ARGV > last then put('HDEL', last + 1, #ARGV) end
expire(expires)
return {1, ARGV[5], now, expires}
