local key = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]

-- The live state: version, created_at (text), the bound that the user's set knows (0 for none).
local function live()
  local text = redis.call('HGET', key, '@state')
  if not text then return nil end
  local version, created, bound, expires =
    string.match(text, '^%[(%d+),(%-?%d+),(%d+),%-?%d+,(%-?%d+)%]$')
  if not version then return error('CORRUPT state') end
  if tonumber(expires) <= now then return nil end
  return version, created, tonumber(bound)
end

-- The answer where there is no live state.
local function absent()
  local arriving = redis.call('HGET', key, '@arriving')
  if arriving then return {3, string.sub(arriving, 1, 64)} end
  return {0}
end

local function expiry(created, idle, absolute)
  return math.min(now + idle, created + absolute, 9007199254740991)
end

local function state(version, created, expires, bound)
  return string.format('[%s,%s,%.0f,%.0f,%.0f]', version, created, bound, now, expires)
end

-- The end of a key is that of its state. A clock that a test turned judges what is left of it.
local function expire(expires)
  redis.call('PEXPIREAT', key, string.format('%.0f', math.min(expires, 9007199254740991)))
end

-- A command with the arguments of a range, in portions that Lua's stack holds.
local function put(command, first, last)
  for from = first, last, 4000 do
    redis.call(command, key, unpack(ARGV, from, math.min(from + 3999, last)))
  end
end

-- Removes the session's own fields.
local function clear()
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if string.sub(name, 1, 1) ~= '@' or string.sub(name, 1, 2) == '@@' then
      redis.call('HDEL', key, name)
    end
  end
end

-- The mark of a place whose session is being made. It is shorter than an id, and so than what turns a small
-- set into a large one.
local function held(id)
  return '~' .. string.sub(id, 3)
end
