-- 'held' if the session may still be in the making, how long it is kept out then
if live() then
  redis.call('DEL', key)
  return {1}
end
if ARGV[2] ~= 'held' or redis.call('HEXISTS', key, '@evicted') == 1
  or redis.call('HEXISTS', key, '@moved') == 1 then
  return {0}
end
redis.call('DEL', key)
redis.call('HSET', key, '@evicted', 'true')
redis.call('PEXPIRE', key, ARGV[3])
return {1}
