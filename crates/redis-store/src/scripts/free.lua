-- Whether nothing live is here; what is left of the dead goes.
local function occupied()
  if redis.call('EXISTS', key) == 0 then return nil end
  if live() then return {2} end
  local marks = redis.call('HMGET', key, '@arriving', '@moved', '@evicted')
  if marks[1] then return {3, string.sub(marks[1], 1, 64)} end
  if marks[2] then return {5, marks[2]} end
  if marks[3] then return {6, '1', now, now} end
  redis.call('DEL', key)
  return nil
end
