//! Moves a session to a new id.

use std::sync::Arc;

use tower_keep_core::{
    Change, LayerName, Loaded, Receipt, Rotated, SessionId, StoreError, Timestamp, UserId,
};

use crate::{
    format,
    keep::Keep,
    layout::{Shards, UserKey},
    step::{State, Step},
    users::Room,
};

type Owner = (LayerName, Option<UserId>);

impl Keep {
    /// Moves a session to a new id.
    ///
    /// The file in the old place is first replaced by one that holds the record for both ids, which
    /// changes nothing; then it is renamed to the new place. That is one step: no reader and no power
    /// cut finds both ids live, or neither.
    pub(crate) async fn rotate(
        self: &Arc<Self>,
        old: SessionId,
        new: SessionId,
        change: Change,
    ) -> Result<Rotated, StoreError> {
        let change = Arc::new(change);
        loop {
            let asked = Arc::clone(&change);
            let seen = self.read(move |step| step.owner(&old, &asked, step.keep.now()));
            let owner = seen.await?;
            if let Some(rotated) = self.try_rotate(old, new, &change, owner).await? {
                return Ok(rotated);
            }
        }
    }

    /// As [`rotate`](Self::rotate); `None` if the session's user changed meanwhile.
    async fn try_rotate(
        self: &Arc<Self>,
        old: SessionId,
        new: SessionId,
        change: &Arc<Change>,
        owner: Option<Owner>,
    ) -> Result<Option<Rotated>, StoreError> {
        let mut shards = Shards::of([old, new]);
        let mut desk = None;
        if let Some((layer, Some(user))) = &owner {
            // Held to the end, so that nobody counts the user's sessions while one moves.
            desk = Some(self.desk(UserKey::new(layer, user)).await?);
            let (owner, limit) = (owner.clone(), change.user_limit);
            let over = self.read(move |step| step.room_for(&owner, limit, &old));
            if let Room::After(over) = over.await? {
                shards = Shards::of(over.into_iter().chain([old, new]));
            }
        }
        let change = Arc::clone(change);
        let rotated = self.write(shards, move |step| {
            let now = step.keep.now();
            if step.owner(&old, &change, now)? != owner {
                return Ok(None);
            }
            step.rotate(&old, &new, &change, &owner, shards, now)
        });
        let rotated = rotated.await;
        drop(desk);
        rotated
    }
}

impl Step<'_> {
    /// The layer and the user that a session has after a change, if it is live.
    fn owner(
        &self,
        id: &SessionId,
        change: &Change,
        now: Timestamp,
    ) -> Result<Option<Owner>, StoreError> {
        Ok(match self.find(id, now)? {
            State::Live(entry) => {
                let record = entry.record;
                let user = change.user.clone().or(record.user);
                Some((record.layer, user))
            }
            State::Missing => self.confirm().map(|()| None)?,
            State::Expired(_) | State::Damaged(_) => None,
        })
    }

    fn room_for(
        &self,
        owner: &Option<Owner>,
        limit: Option<tower_keep_core::UserLimit>,
        moving: &SessionId,
    ) -> Result<Room, StoreError> {
        let Some((layer, user)) = owner else {
            return Ok(Room::After(Vec::new()));
        };
        self.room(layer, user.as_ref(), limit, Some(moving), self.keep.now())
    }

    fn rotate(
        &self,
        old: &SessionId,
        new: &SessionId,
        change: &Change,
        owner: &Option<Owner>,
        shards: Shards,
        now: Timestamp,
    ) -> Result<Option<Rotated>, StoreError> {
        let Some(entry) = self.live(old, now)? else {
            return Ok(Some(Rotated::Gone));
        };
        let record = entry.record;
        if record.version != change.base_version {
            let record = Arc::new(record);
            return Ok(Some(Rotated::Conflict(Loaded { record, at: now })));
        }
        let replaced = self.settle(new, now)?;
        if old == new || matches!(replaced, State::Live(_)) {
            return Ok(Some(Rotated::Taken));
        }
        let over = match self.room_for(owner, change.user_limit, old)? {
            Room::Full => return Ok(Some(Rotated::OverLimit)),
            Room::After(over) => over,
        };
        if !over.iter().all(|id| shards.holds(id)) {
            return Ok(None);
        }

        let next = change.applied_to(&record, now);
        let key = UserKey::of(&next);
        let mut both = format::encode(new, &next)?;
        let length = both.len();
        both.extend(format::encode(old, &record)?);
        let staged = self.stage(old, &both)?;
        self.make_way(new)?;
        if let Some(key) = key {
            self.mark(key, new)?;
        }
        let evicted = self.evict(&over, now)?;
        staged.put(old)?;
        self.rename(old, new)?;

        self.cut(new, length);
        self.unmark_unless(None, &record, old);
        if let State::Expired(replaced) = replaced {
            self.unmark_unless(key, &replaced.record, new);
            self.keep.bound.count(-1);
        }
        let mut receipt = Receipt::of(&next, now);
        receipt.evicted = evicted;
        Ok(Some(Rotated::Rotated(receipt)))
    }
}
