//! Moves a session to a new id.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tower_keep_core::{Change, Receipt, Rotated, SessionId, StoreError};

use crate::{
    figures::{Amount, cost},
    keep::{Keep, lock},
    place::Place,
    shard::{Inserted, Node},
};

impl Keep {
    /// Moves a session to a new id.
    ///
    /// The two ids lie in two buckets, of which no thread may hold both. So the new node is put in as
    /// pending, and whoever looks it up waits for the rotation; then the old one is taken out, which
    /// is the moment of the rotation for everybody; then the new one is shown. Nobody has the new
    /// token yet, so in practice nobody waits.
    pub(crate) fn rotate(
        &self,
        old: &SessionId,
        new: &SessionId,
        change: &Change,
    ) -> Result<Rotated, StoreError> {
        loop {
            if let Some(rotated) = self.try_rotate(old, new, change)? {
                return Ok(rotated);
            }
        }
    }

    /// As [`rotate`](Self::rotate); `None` if the session was written meanwhile.
    fn try_rotate(
        &self,
        old: &SessionId,
        new: &SessionId,
        change: &Change,
    ) -> Result<Option<Rotated>, StoreError> {
        let Some(before) = self.peek(old) else {
            return Ok(Some(Rotated::Gone));
        };
        let record = &before.record;
        if record.version != change.base_version {
            return Ok(Some(Rotated::Conflict(before)));
        }
        if self.peek(new).is_some() {
            return Ok(Some(Rotated::Taken));
        }
        let (from, to) = (Place::of(old), Place::of(new));
        if from == to {
            return Ok(Some(Rotated::Taken));
        }
        let user = change.user.as_ref().or(record.user.as_ref());
        let mut desk = user.map(|user| self.users.desk(self.users.key(&record.layer, user)));
        let limit = change.user_limit;
        let Some(over) = self.room(desk.as_ref(), &record.layer, user, limit, Some(from)) else {
            return Ok(Some(Rotated::OverLimit));
        };

        let turn = lock(&self.rotations);
        if self.purges.load(Relaxed) > 0 {
            // It must not slip from a shard that is still to be purged into one that was.
            drop((turn, desk));
            self.delete(old);
            return Ok(Some(Rotated::Gone));
        }
        let now = self.now();
        let next = Arc::new(change.applied_to(record, now));
        let bytes = self.check_size(&next)?;
        let node = Node::pending(*new, Arc::clone(&next));
        let replaced = match self.shard(to).insert(to, node, now) {
            Inserted::Done(replaced) => replaced,
            // None but this rotation can be pending, since this one has the turn.
            Inserted::Taken | Inserted::Pending(_) => return Ok(Some(Rotated::Taken)),
        };
        let moved = self.shard(from).take_if(from, |node| {
            Arc::ptr_eq(&node.record, record) && !node.record.is_expired(self.now())
        });
        let evicted = if moved.is_some() {
            let mark = self.recency.write(to, self.are_few());
            self.shard(to).read(to, |node| node.used.store(mark, Relaxed));
            if let Some(desk) = &mut desk {
                desk.add(to);
                desk.remove(from);
            }
            self.figures.add(Amount { sessions: 0, bytes: bytes - cost(record) });
            self.evict(desk.as_mut(), &over)
        } else {
            drop(self.shard(to).take_if(to, Node::is_pending));
            0
        };
        drop((turn, desk));

        if let Some(replaced) = replaced {
            self.forget(to, &replaced);
        }
        if moved.is_none() {
            return Ok(None);
        }
        if record.user != next.user
            && let Some(key) = self.users.key_of(record)
        {
            self.unlink(key, from);
        }
        self.queue(next.expires_at, to);
        self.keep_bounds(to);
        let mut receipt = Receipt::of(&next, now);
        receipt.evicted = evicted;
        Ok(Some(Rotated::Rotated(receipt)))
    }
}
