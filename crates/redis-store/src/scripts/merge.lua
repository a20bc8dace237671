-- The change is good for another state too, which the script of all changes writes.
if found then return 0 end
return call('HGETALL', key)
