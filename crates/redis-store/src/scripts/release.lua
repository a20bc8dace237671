-- ids, of which those with '?' only go if they are not held
for place = 2, #ARGV do
  local id = ARGV[place]
  if string.sub(id, 1, 1) == '?' then
    id = string.sub(id, 2)
    if not redis.call('ZSCORE', key, held(id)) then redis.call('ZREM', key, id) end
  else
    redis.call('ZREM', key, id, held(id))
  end
end
return {1}
