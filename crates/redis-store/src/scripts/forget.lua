-- to
if redis.call('HGET', key, '@moved') == ARGV[2] then redis.call('DEL', key) end
return {1}
