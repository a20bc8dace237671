-- from
local arriving = redis.call('HGET', key, '@arriving')
if arriving and string.sub(arriving, 1, 64) == ARGV[2] then redis.call('DEL', key) end
return {1}
