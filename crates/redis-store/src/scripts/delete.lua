if not live() then
  local answer = absent()
  if answer[1] == 0 and redis.call('HEXISTS', key, '@state') == 1 then redis.call('DEL', key) end
  return answer
end
local of = redis.call('HMGET', key, '@layer', '@user')
redis.call('DEL', key)
return {1, of[1], of[2]}
