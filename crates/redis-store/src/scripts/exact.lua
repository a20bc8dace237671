-- The change is good for no other state: what is there is the answer.
return call('HGETALL', key)
