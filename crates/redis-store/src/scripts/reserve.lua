-- id, created_at ('' for now), absolute, how long the place is held, limit (0 for none), id that
-- it replaces or '', ids that are dead, of which those with '!' are so in any case
redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
for place = 8, #ARGV do
  local id = ARGV[place]
  if string.sub(id, 1, 1) == '!' then
    id = string.sub(id, 2)
    redis.call('ZREM', key, id, held(id))
  elseif not redis.call('ZSCORE', key, held(id)) then
    redis.call('ZREM', key, id)
  end
end
local limit = tonumber(ARGV[6])
if limit > 0 then
  local others = {}
  for _, id in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    if #id == 64 and id ~= ARGV[2] and id ~= ARGV[7] then others[#others + 1] = id end
  end
  if #others + 1 > limit then return {0, now, others} end
end
local created = ARGV[3] == '' and now or tonumber(ARGV[3])
-- Sooner than the session's own bound it must not be, and the clocks of two servers may differ.
local bound = math.min(created + ARGV[4] + 60000, 9007199254740991)
redis.call('ZADD', key, 'GT', string.format('%.0f', bound), ARGV[2])
if tonumber(ARGV[5]) > 0 then
  redis.call('ZADD', key, string.format('%.0f', now + ARGV[5]), held(ARGV[2]))
end
local top = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')
expire(tonumber(top[2]))
return {1, math.floor(now + ARGV[5] / 2), bound, redis.call('ZRANDMEMBER', key, 3)}
