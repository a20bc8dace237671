//! What makes, changes and ends sessions under one id.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tower_keep_core::{
    Applied, Change, Created, LayerName, Loaded, NewRecord, Receipt, Record, SessionId, StoreError,
    Timestamp, Touch, Touched, UserId, UserLimit,
};

use crate::{
    format,
    keep::Keep,
    layout::{Shards, UserKey},
    session_file::State,
    step::Step,
    users::Room,
};

impl Keep {
    pub(crate) async fn load(
        self: &Arc<Self>,
        id: SessionId,
    ) -> Result<Option<Loaded>, StoreError> {
        let found = self
            .read(move |step| {
                let at = step.keep.now();
                Ok(match step.find(&id, at)? {
                    State::Live(entry) | State::Expired(entry) if entry.is_torn => None,
                    State::Live(entry) => Some(Some(loaded(entry.record, at))),
                    State::Expired(_) => Some(None),
                    State::Missing if !step.keep.is_remote.load(Relaxed) => {
                        step.confirm().map(|()| Some(None))?
                    }
                    State::Missing | State::Damaged(_) => None,
                })
            })
            .await?;
        if let Some(loaded) = found {
            return Ok(loaded);
        }
        // Looked at again under the lock, since a reader can meet two touches half written, and on a
        // network share a file in the middle of being replaced.
        self.write(Shards::of([id]), move |step| {
            let at = step.keep.now();
            Ok(match step.find(&id, at)? {
                State::Live(entry) => Some(loaded(entry.record, at)),
                State::Expired(_) => None,
                State::Missing => step.confirm().map(|()| None)?,
                State::Damaged(why) => {
                    if let Err(error) = step.set_aside(&id, why, at) {
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(error, "a damaged file could not be set aside");
                    }
                    None
                }
            })
        })
        .await
    }

    pub(crate) async fn create(
        self: &Arc<Self>,
        id: SessionId,
        new: NewRecord,
    ) -> Result<Created, StoreError> {
        let (layer, user, limit) = (new.layer.clone(), new.user.clone(), new.user_limit);
        self.admit(id, layer, user, limit, Arc::new(move |now| new.clone().at(now))).await
    }

    pub(crate) async fn import(
        self: &Arc<Self>,
        id: SessionId,
        record: Record,
    ) -> Result<Created, StoreError> {
        let now = self.now();
        if record.is_expired(now) && self.load(id).await?.is_none() {
            // To store it would be to store nothing.
            return Ok(Created::Created(Receipt::of(&record, now)));
        }
        let (layer, user) = (record.layer.clone(), record.user.clone());
        self.admit(id, layer, user, None, Arc::new(move |_| record.clone())).await
    }

    async fn admit(
        self: &Arc<Self>,
        id: SessionId,
        layer: LayerName,
        user: Option<UserId>,
        limit: Option<UserLimit>,
        record_at: Arc<dyn Fn(Timestamp) -> Record + Send + Sync>,
    ) -> Result<Created, StoreError> {
        // Held to the end, so that sign-ins of one user are decided one after the other.
        let desk = match (&user, limit) {
            (Some(user), Some(_)) => Some(self.desk(UserKey::new(&layer, user)).await?),
            _ => None,
        };
        let mut shards = Shards::of([id]);
        let created = loop {
            if desk.is_some() {
                let (layer, user) = (layer.clone(), user.clone());
                let over = self.read(move |step| {
                    step.room(&layer, user.as_ref(), limit, None, step.keep.now())
                });
                if let Room::After(over) = over.await? {
                    shards = Shards::of(over.into_iter().chain([id]));
                }
            }
            let (layer, user, record_at) = (layer.clone(), user.clone(), Arc::clone(&record_at));
            let created = self.write(shards, move |step| {
                let now = step.keep.now();
                let before = step.settle(&id, now)?;
                if matches!(before, State::Live(_)) {
                    return Ok(Some(Created::Taken));
                }
                let over = match step.room(&layer, user.as_ref(), limit, None, now)? {
                    Room::Full => return Ok(Some(Created::OverLimit)),
                    Room::After(over) => over,
                };
                if !over.iter().all(|id| shards.holds(id)) {
                    return Ok(None);
                }
                let record = record_at(now);
                let key = UserKey::of(&record);
                let staged = step.stage(&id, &format::encode(&id, &record)?)?;
                if let Some(key) = key {
                    step.mark(key, &id)?;
                }
                let evicted = step.evict(&over, now)?;
                staged.put(&id)?;
                match before {
                    State::Expired(before) => step.unmark_unless(key, &before.record, &id),
                    _ => step.keep.bound.count(1),
                }
                let mut receipt = Receipt::of(&record, now);
                receipt.evicted = evicted;
                Ok(Some(Created::Created(receipt)))
            });
            // None if the user's sessions changed in a way that needs other shards.
            if let Some(created) = created.await? {
                break created;
            }
        };
        drop(desk);
        if matches!(created, Created::Created(_)) {
            self.keep_bound(id).await;
        }
        Ok(created)
    }

    pub(crate) async fn apply(
        self: &Arc<Self>,
        id: SessionId,
        change: Change,
    ) -> Result<Applied, StoreError> {
        self.write(Shards::of([id]), move |step| {
            // Read under the lock: an earlier time could revive what others saw expire.
            let now = step.keep.now();
            let Some(entry) = step.live(&id, now)? else {
                return Ok(Applied::Gone);
            };
            let record = entry.record;
            if !change.fits(record.version) {
                return Ok(Applied::Conflict(Loaded { record: Arc::new(record), at: now }));
            }
            let next = change.applied_to(&record, now);
            let key = UserKey::of(&next);
            let staged = step.stage(&id, &format::encode(&id, &next)?)?;
            if let Some(key) = key.filter(|key| UserKey::of(&record) != Some(*key)) {
                step.mark(key, &id)?;
            }
            staged.put(&id)?;
            step.unmark_unless(key, &record, &id);
            Ok(Applied::Applied(Receipt::of(&next, now)))
        })
        .await
    }

    pub(crate) async fn touch(
        self: &Arc<Self>,
        id: SessionId,
        touch: Touch,
    ) -> Result<Touched, StoreError> {
        self.write(Shards::of([id]), move |step| {
            let now = step.keep.now();
            let Some(entry) = step.live(&id, now)? else {
                return Ok(Touched::Gone);
            };
            let touched = entry.record.touched(touch.lifetime, now);
            let (at, times) = format::touch(&id, &entry, &touched);
            step.overwrite(&id, at, &times)?;
            Ok(Touched::Touched(Receipt::of(&touched, now)))
        })
        .await
    }

    pub(crate) async fn delete(self: &Arc<Self>, id: SessionId) -> Result<bool, StoreError> {
        self.write(Shards::of([id]), move |step| {
            let now = step.keep.now();
            Ok(match step.settle(&id, now)? {
                State::Live(entry) => step.remove_session(&id, &entry.record).map(|()| true)?,
                State::Expired(entry) => step.remove_session(&id, &entry.record).map(|()| false)?,
                State::Missing | State::Damaged(_) => false,
            })
        })
        .await
    }
}

impl Step<'_> {
    /// Takes a session off the user that it had, unless it has the same now. Hold its shard.
    pub(crate) fn unmark_unless(&self, now: Option<UserKey>, before: &Record, id: &SessionId) {
        if let Some(key) = UserKey::of(before).filter(|key| Some(*key) != now) {
            self.unmark(key, id);
        }
    }
}

fn loaded(record: Record, at: Timestamp) -> Loaded {
    Loaded { record: Arc::new(record), at }
}
