-- The change is good for another state too: the script of all changes is to write it.
if found then return 0 end
return call('HGETALL', key)
