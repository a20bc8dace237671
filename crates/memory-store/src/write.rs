//! What makes and changes sessions under one id: create, import, apply, touch.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tower_keep_core::{
    Applied, Change, Created, LayerName, Loaded, NewRecord, OverLimit, Receipt, Record, SessionId,
    StoreError, Timestamp, Touch, Touched, UserId, UserLimit,
};

use crate::{
    figures::cost,
    keep::{Keep, Seen},
    place::Place,
    shard::{Inserted, Node},
    users::Desk,
};

/// A record and what it replaced.
struct Written {
    old: Arc<Record>,
    new: Arc<Record>,
    new_cost: i64,
    at: Timestamp,
}

/// What became of a change.
enum Outcome {
    Written(Written),
    Refused(Loaded),
    Gone,
}

impl Keep {
    pub(crate) fn create(&self, id: &SessionId, new: &NewRecord) -> Result<Created, StoreError> {
        let limit = new.user_limit;
        self.admit(id, &new.layer, new.user.as_ref(), limit, |now| new.at(now))
    }

    pub(crate) fn import(&self, id: &SessionId, record: &Record) -> Result<Created, StoreError> {
        let now = self.now();
        if record.is_expired(now) && self.peek(id).is_none() {
            // To store it would be to store nothing.
            return Ok(Created::Created(Receipt::of(record, now)));
        }
        self.admit(id, &record.layer, record.user.as_ref(), None, |_| record.clone())
    }

    fn admit(
        &self,
        id: &SessionId,
        layer: &LayerName,
        user: Option<&UserId>,
        limit: Option<UserLimit>,
        record_at: impl FnOnce(Timestamp) -> Record,
    ) -> Result<Created, StoreError> {
        let place = Place::of(id);
        // Held to the end, so that sign-ins of one user are decided one after the other.
        let mut desk = user.map(|user| self.users.desk(self.users.key(layer, user)));
        let now = self.now();
        let record = Arc::new(record_at(now));
        let bytes = self.check_size(&record)?;
        let Some(over) = self.room(desk.as_ref(), layer, user, limit, None) else {
            return Ok(match self.peek(id) {
                Some(_) => Created::Taken,
                None => Created::OverLimit,
            });
        };

        let mut node = Node::new(*id, Arc::clone(&record), self.recency.write());
        let replaced = loop {
            match self.shard(place).insert(place, node, now) {
                Inserted::Done(replaced) => break replaced,
                Inserted::Taken => return Ok(Created::Taken),
                Inserted::Pending(again) => {
                    node = again;
                    self.await_rotation();
                }
            }
        };
        self.figures.add(1, bytes);
        if let Some(desk) = &mut desk {
            desk.add(place);
        }
        let evicted = self.evict(desk.as_mut(), &over);
        drop(desk);

        if let Some(replaced) = replaced {
            self.forget(place, &replaced);
        }
        self.queue(record.expires_at, place);
        self.keep_bounds(place);
        let mut receipt = Receipt::of(&record, now);
        receipt.evicted = evicted;
        Ok(Created::Created(receipt))
    }

    /// Which sessions must go for one more of a user; `None` if the limit refuses it.
    ///
    /// `moving` is a session of the user that the new one is made of.
    pub(crate) fn room(
        &self,
        desk: Option<&Desk<'_>>,
        layer: &LayerName,
        user: Option<&UserId>,
        limit: Option<UserLimit>,
        moving: Option<Place>,
    ) -> Option<Vec<Place>> {
        let (Some(desk), Some(user), Some(limit)) = (desk, user, limit) else {
            return Some(Vec::new());
        };
        let mut others = self.sessions_at(desk, layer, user);
        others.retain(|(place, ..)| Some(*place) != moving);
        let allowed = (limit.sessions as usize).saturating_sub(1);
        let over = others.len().saturating_sub(allowed);
        if limit.over == OverLimit::EvictOldest {
            others.sort_by_key(|(_, id, record)| (record.created_at, *id));
            return Some(others[..over].iter().map(|(place, ..)| *place).collect());
        }
        (over == 0 && limit.sessions > 0).then(Vec::new)
    }

    /// Revokes sessions of the user whose desk it is; says how many.
    pub(crate) fn evict(&self, desk: Option<&mut Desk<'_>>, places: &[Place]) -> u32 {
        let Some(desk) = desk else { return 0 };
        let mut evicted = 0;
        for place in places {
            let owned = |node: &Node| {
                !node.is_pending() && self.users.key_of(&node.record) == Some(desk.key())
            };
            if let Some(node) = self.shard(*place).take_if(*place, owned) {
                self.figures.add(-1, -cost(&node.record));
                desk.remove(*place);
                evicted += 1;
            }
        }
        evicted
    }

    pub(crate) fn apply(&self, id: &SessionId, change: &Change) -> Result<Applied, StoreError> {
        let Some(user) = &change.user else {
            return Ok(match self.rewrite(id, |record, now| applied(change, record, now))? {
                Outcome::Written(written) => {
                    self.settle(Place::of(id), &written);
                    Applied::Applied(Receipt::of(&written.new, written.at))
                }
                Outcome::Refused(present) => Applied::Conflict(present),
                Outcome::Gone => Applied::Gone,
            });
        };
        let place = Place::of(id);
        loop {
            let Some(Loaded { record, .. }) = self.peek(id) else {
                return Ok(Applied::Gone);
            };
            let layer = &record.layer;
            let mut desk = self.users.desk(self.users.key(layer, user));
            let outcome = self.rewrite(id, |record, now| {
                applied(change, record, now).filter(|_| record.layer == *layer)
            })?;
            match outcome {
                Outcome::Written(written) => {
                    desk.add(place);
                    drop(desk);
                    self.settle(place, &written);
                    return Ok(Applied::Applied(Receipt::of(&written.new, written.at)));
                }
                // The id was made anew by another layer meanwhile: its users have other desks.
                Outcome::Refused(present) if present.record.layer != *layer => {}
                Outcome::Refused(present) => return Ok(Applied::Conflict(present)),
                Outcome::Gone => return Ok(Applied::Gone),
            }
        }
    }

    pub(crate) fn touch(&self, id: &SessionId, touch: Touch) -> Result<Touched, StoreError> {
        let touched = |record: &Record, now| Some(record.touched(touch.lifetime, now));
        Ok(match self.rewrite(id, touched)? {
            Outcome::Written(written) => {
                self.settle(Place::of(id), &written);
                Touched::Touched(Receipt::of(&written.new, written.at))
            }
            Outcome::Refused(_) | Outcome::Gone => Touched::Gone,
        })
    }

    /// Replaces a live record by `next` of it, in one locked step, unless that is `None`.
    fn rewrite(
        &self,
        id: &SessionId,
        next: impl Fn(&Record, Timestamp) -> Option<Record>,
    ) -> Result<Outcome, StoreError> {
        let place = Place::of(id);
        let step = |node: &mut Node| {
            if node.id != *id {
                return Ok(Seen::Missing);
            }
            if node.is_pending() {
                return Ok(Seen::Pending);
            }
            // Read under the lock: an earlier time could revive what others saw expire.
            let at = self.now();
            if node.record.is_expired(at) {
                return Ok(Seen::Missing);
            }
            let Some(new) = next(&node.record, at) else {
                let record = Arc::clone(&node.record);
                return Ok(Seen::Live(Outcome::Refused(Loaded { record, at })));
            };
            let new_cost = self.check_size(&new)?;
            let new = Arc::new(new);
            let old = std::mem::replace(&mut node.record, Arc::clone(&new));
            node.used.store(self.recency.write(), Relaxed);
            Ok(Seen::Live(Outcome::Written(Written { old, new, new_cost, at })))
        };
        loop {
            match self.shard(place).write(place, step).transpose()? {
                Some(Seen::Live(outcome)) => return Ok(outcome),
                Some(Seen::Pending) => self.await_rotation(),
                Some(Seen::Missing) | None => return Ok(Outcome::Gone),
            }
        }
    }

    /// Settles the counts, the index, the queue and the bounds after a record was replaced. Hold no
    /// desk.
    fn settle(&self, place: Place, written: &Written) {
        let Written { old, new, .. } = written;
        if old.user != new.user
            && let Some(key) = self.users.key_of(old)
        {
            self.unlink(key, place);
        }
        if new.expires_at < old.expires_at {
            self.queue(new.expires_at, place);
        }
        // A touch shares the fields of what it touched.
        if old.version != new.version {
            let growth = written.new_cost - cost(old);
            self.figures.add(0, growth);
            if growth > 0 {
                self.keep_bounds(place);
            }
        }
    }
}

fn applied(change: &Change, record: &Record, now: Timestamp) -> Option<Record> {
    let fits = change.fits(record.version);
    fits.then(|| change.applied_to(record, now))
}
