//! What makes and changes sessions under one id: create, import, apply, touch.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tower_keep_core::{
    Applied, Change, Created, LayerName, Loaded, NewRecord, OverLimit, Receipt, Record, SessionId,
    StoreError, Timestamp, Touch, Touched, UserId, UserLimit,
};

use crate::{
    figures::{Amount, cost},
    keep::{Keep, Seen},
    place::Place,
    shard::{Inserted, Node},
    users::{Desk, UserKey},
};

/// What is to be settled after a record was replaced.
struct Written {
    receipt: Receipt,
    /// By how many bytes the session grew.
    growth: i64,
    /// The deadline, if it is sooner than the one before.
    sooner: Option<Timestamp>,
    /// Whose session it is no more.
    left: Option<UserKey>,
}

/// What became of a change.
enum Outcome {
    Written(Written),
    Refused(Loaded),
    Gone,
}

impl Keep {
    pub(crate) fn create(&self, id: &SessionId, new: NewRecord) -> Result<Created, StoreError> {
        let user = new.user.as_ref().map(|user| self.users.key(&new.layer, user));
        self.admit(id, user, new.user_limit, |now| new.at(now))
    }

    pub(crate) fn import(&self, id: &SessionId, record: &Record) -> Result<Created, StoreError> {
        let now = self.now();
        if record.is_expired(now) && self.peek(id).is_none() {
            // To store it would be to store nothing.
            return Ok(Created::Created(Receipt::of(record, now)));
        }
        self.admit(id, self.users.key_of(record), None, |_| record.clone())
    }

    fn admit(
        &self,
        id: &SessionId,
        user: Option<UserKey>,
        limit: Option<UserLimit>,
        record_at: impl FnOnce(Timestamp) -> Record,
    ) -> Result<Created, StoreError> {
        let place = Place::of(id);
        // Held to the end, so that sign-ins of one user are decided one after the other.
        let mut desk = user.map(|user| self.users.desk(user));
        let now = self.now();
        let record = record_at(now);
        let bytes = self.check_size(&record)?;
        let mut receipt = Receipt::of(&record, now);
        let user = record.user.as_ref();
        let Some(over) = self.room(desk.as_ref(), &record.layer, user, limit, None) else {
            return Ok(match self.peek(id) {
                Some(_) => Created::Taken,
                None => Created::OverLimit,
            });
        };

        let mut node = Node::new(*id, Arc::new(record), self.recency.write(place, self.are_few()));
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
        if let Some(desk) = &mut desk {
            desk.add(place);
        }
        receipt.evicted = self.evict(desk.as_mut(), &over);
        drop(desk);

        if let Some(replaced) = replaced {
            self.forget(place, &replaced);
        }
        self.queue_new(receipt.expires_at, place, bytes);
        self.keep_bounds(place);
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
                self.figures.add(Amount { sessions: -1, bytes: -cost(&node.record) });
                desk.remove(*place);
                evicted += 1;
            }
        }
        evicted
    }

    pub(crate) fn apply(&self, id: &SessionId, change: &Change) -> Result<Applied, StoreError> {
        let Some(user) = &change.user else {
            return Ok(match self.rewrite(id, |record, at| self.edit(record, change, at))? {
                Outcome::Written(written) => {
                    self.settle(Place::of(id), &written);
                    Applied::Applied(written.receipt)
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
            let outcome = self.rewrite(id, |record, at| {
                if !change.fits(record.version) || record.layer != *layer {
                    return Ok(None);
                }
                let changed = change.applied_to(record, at);
                self.replace(record, changed, at).map(Some)
            })?;
            match outcome {
                Outcome::Written(written) => {
                    desk.add(place);
                    drop(desk);
                    self.settle(place, &written);
                    return Ok(Applied::Applied(written.receipt));
                }
                // The id was made anew by another layer meanwhile: its users have other desks.
                Outcome::Refused(present) if present.record.layer != *layer => {}
                Outcome::Refused(present) => return Ok(Applied::Conflict(present)),
                Outcome::Gone => return Ok(Applied::Gone),
            }
        }
    }

    pub(crate) fn touch(&self, id: &SessionId, touch: Touch) -> Result<Touched, StoreError> {
        let outcome = self.rewrite(id, |record, at| {
            let touched = record.touched(touch.lifetime, at);
            self.replace(record, touched, at).map(Some)
        })?;
        Ok(match outcome {
            Outcome::Written(written) => {
                self.settle(Place::of(id), &written);
                Touched::Touched(written.receipt)
            }
            Outcome::Refused(_) | Outcome::Gone => Touched::Gone,
        })
    }

    /// Changes a live record by `change`, in one locked step, unless that gives `None`.
    fn rewrite(
        &self,
        id: &SessionId,
        change: impl Fn(&mut Arc<Record>, Timestamp) -> Result<Option<Written>, StoreError>,
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
            let Some(written) = change(&mut node.record, at)? else {
                let record = Arc::clone(&node.record);
                return Ok(Seen::Live(Outcome::Refused(Loaded { record, at })));
            };
            node.used.store(self.recency.write(place, self.are_few()), Relaxed);
            Ok(Seen::Live(Outcome::Written(written)))
        };
        loop {
            match self.shard(place).write(place, step).transpose()? {
                Some(Seen::Live(outcome)) => return Ok(outcome),
                Some(Seen::Pending) => self.await_rotation(),
                Some(Seen::Missing) | None => return Ok(Outcome::Gone),
            }
        }
    }

    /// Applies a change that sets no user; `None` if it does not fit.
    fn edit(
        &self,
        record: &mut Arc<Record>,
        change: &Change,
        at: Timestamp,
    ) -> Result<Option<Written>, StoreError> {
        if !change.fits(record.version) {
            return Ok(None);
        }
        // Nobody reads it at this moment, nearly always, so that no other needs to be made.
        let Some(own) = Arc::get_mut(record) else {
            let changed = change.applied_to(record, at);
            return self.replace(record, changed, at).map(Some);
        };
        let mut growth = 0;
        if !change.overwrite(&mut own.fields) {
            let fields = change.edited(&own.fields);
            growth = fields.bytes() as i64 - own.fields.bytes() as i64;
            self.check_bytes(cost(own) + growth)?;
            own.fields = fields;
        }
        let before = own.expires_at;
        change.apply_facts(own, at);
        let sooner = (own.expires_at < before).then_some(own.expires_at);
        Ok(Some(Written { receipt: Receipt::of(own, at), growth, sooner, left: None }))
    }

    /// Puts one record in the place of another; refuses one that is too large.
    fn replace(
        &self,
        record: &mut Arc<Record>,
        new: Record,
        at: Timestamp,
    ) -> Result<Written, StoreError> {
        let growth = self.check_size(&new)? - cost(record);
        let written = Written {
            receipt: Receipt::of(&new, at),
            growth,
            sooner: (new.expires_at < record.expires_at).then_some(new.expires_at),
            left: if record.user == new.user { None } else { self.users.key_of(record) },
        };
        *record = Arc::new(new);
        Ok(written)
    }

    /// Settles the counts, the index, the queue and the bounds after a record was replaced. Hold no
    /// desk.
    fn settle(&self, place: Place, written: &Written) {
        if let Some(key) = written.left {
            self.unlink(key, place);
        }
        if let Some(deadline) = written.sooner {
            self.queue(deadline, place);
        }
        if written.growth != 0 {
            self.figures.add(Amount { sessions: 0, bytes: written.growth });
            if written.growth > 0 {
                self.keep_bounds(place);
            }
        }
    }
}
