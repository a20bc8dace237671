//! Flaws of `rotate`.

use std::sync::Arc;

use tower_keep_core::{
    Change, LayerName, Loaded, Record, Rotated, SessionId, Store, StoreFuture, Timestamp,
};

use super::{
    Broken, Flaw,
    create::{cut, damaged_change},
    pause,
};
use crate::reference::{Records, live, make_room, put};

impl Broken {
    pub(super) fn broken_rotate<'a>(
        &'a self,
        old: &'a SessionId,
        new: &'a SessionId,
        change: &'a Change,
    ) -> StoreFuture<'a, Rotated> {
        let flaw = self.flaw;
        match flaw {
            Flaw::RotateDeletesFirst => StoreFuture::new(async move {
                let take = |records: &mut Records, now| take(records, old, change, now);
                let record = match self.inner.step(take).await? {
                    Ok(record) => record,
                    Err(answer) => return Ok(answer),
                };
                pause().await;
                self.put(new, change, &record).await
            }),
            Flaw::RotateDeletesLater => StoreFuture::new(async move {
                let Some(loaded) = self.inner.load(old).await? else {
                    return Ok(Rotated::Gone);
                };
                let answer = self.put(new, change, &loaded.record).await?;
                pause().await;
                self.inner.delete(old).await?;
                Ok(answer)
            }),
            Flaw::RotateKeepsOld => StoreFuture::new(async move {
                let kept = self.inner.step(|records, now| live(records, old, now));
                let kept = kept.await?;
                let answer = self.inner.rotate(old, new, change).await?;
                if let (Rotated::Rotated(_), Some(kept)) = (&answer, kept) {
                    self.inner.lock().insert(*old, kept);
                }
                Ok(answer)
            }),
            Flaw::RotateIgnoresVersion => self.with_base_of(old, new, change, |_| true),
            Flaw::RotateMergesPlain => self.with_base_of(old, new, change, |change| !change.exact),
            Flaw::RotateOverwritesTaken => StoreFuture::new(async move {
                if self.inner.load(old).await?.is_some() {
                    self.inner.delete(new).await?;
                }
                self.inner.rotate(old, new, change).await
            }),
            Flaw::RotateAnswersTakenFirst => StoreFuture::new(async move {
                if self.inner.load(new).await?.is_some() {
                    return Ok(Rotated::Taken);
                }
                self.inner.rotate(old, new, change).await
            }),
            Flaw::RotateForgetsTheChange => StoreFuture::new(async move {
                let mut change = change.clone();
                change.edits.clear();
                self.inner.rotate(old, new, &change).await
            }),
            Flaw::RotateForgetsTheLayer => StoreFuture::new(async move {
                let answer = self.inner.rotate(old, new, change).await?;
                if let Some(record) = self.inner.lock().get_mut(new) {
                    Arc::make_mut(record).layer = LayerName::from("default");
                }
                Ok(answer)
            }),
            Flaw::RotateUpserts => StoreFuture::new(async move {
                match self.inner.rotate(old, new, change).await? {
                    Rotated::Gone => {
                        let record = Record::new(LayerName::from("?"), change.created_at);
                        self.put(new, change, &record).await
                    }
                    answer => Ok(answer),
                }
            }),
            Flaw::RotateRestarts => StoreFuture::new(async move {
                let mut change = change.clone();
                change.restart = true;
                self.inner.rotate(old, new, &change).await
            }),
            Flaw::RotateMovesWhatWasRead => StoreFuture::new(async move {
                let answer = self.inner.rotate(old, new, change).await?;
                if let Rotated::Rotated(receipt) = &answer {
                    let moved = change.applied_to(&change.base(), receipt.at);
                    self.inner.lock().insert(*new, Arc::new(moved));
                }
                Ok(answer)
            }),
            Flaw::RotateRevivesExpired => {
                self.inner.step(|records, now| match records.remove(old) {
                    None => Rotated::Gone,
                    Some(record) => {
                        let moved = change.applied_to(&record, now);
                        Rotated::Rotated(put(records, *new, moved, now, 0))
                    }
                })
            }
            Flaw::RotateChecksFirst => StoreFuture::new(async move {
                let Some(loaded) = self.inner.load(old).await? else {
                    return Ok(Rotated::Gone);
                };
                if loaded.record.version != change.base_version {
                    return Ok(Rotated::Conflict(loaded));
                }
                pause().await;
                let moved = |records: &mut Records, now| {
                    records.remove(old);
                    put(records, *new, change.applied_to(&loaded.record, now), now, 0)
                };
                Ok(Rotated::Rotated(self.inner.step(moved).await?))
            }),
            Flaw::RotationIsNotCounted => StoreFuture::new(async move {
                let mut change = change.clone();
                change.user_limit = None;
                self.inner.rotate(old, new, &change).await
            }),
            Flaw::RotationCountsItself => StoreFuture::new(async move {
                let room = self.inner.step(|records, now| {
                    let layer = live(records, old, now)?.layer.clone();
                    let (user, limit) = (change.user.as_ref(), change.user_limit);
                    make_room(records, now, &layer, user, limit, new)
                });
                match room.await? {
                    None => Ok(Rotated::OverLimit),
                    Some(_) => self.inner.rotate(old, new, change).await,
                }
            }),
            Flaw::RefusedRotationEndsOld => StoreFuture::new(async move {
                let answer = self.inner.rotate(old, new, change).await?;
                if matches!(answer, Rotated::OverLimit) {
                    self.inner.delete(old).await?;
                }
                Ok(answer)
            }),
            Flaw::ConflictEvicts => StoreFuture::new(async move {
                let room = self.inner.step(|records, now| {
                    let layer = live(records, old, now)?.layer.clone();
                    let (user, limit) = (change.user.as_ref(), change.user_limit);
                    make_room(records, now, &layer, user, limit, old)
                });
                room.await?;
                self.inner.rotate(old, new, change).await
            }),
            _ => StoreFuture::new(async move {
                let mut change = damaged_change(flaw, change);
                if flaw == Flaw::RestartIsIgnored {
                    change.restart = false;
                }
                self.inner.rotate(&cut(flaw, old), &cut(flaw, new), &change).await
            }),
        }
    }

    /// Puts the changed record under the new id, whatever else there is.
    async fn put(
        &self,
        new: &SessionId,
        change: &Change,
        record: &Record,
    ) -> Result<Rotated, tower_keep_core::StoreError> {
        let put =
            |records: &mut Records, now| put(records, *new, change.applied_to(record, now), now, 0);
        Ok(Rotated::Rotated(self.inner.step(put).await?))
    }

    /// Rotates as if the change were based on the present version, where `whether` says so.
    fn with_base_of<'a>(
        &'a self,
        old: &'a SessionId,
        new: &'a SessionId,
        change: &'a Change,
        whether: fn(&Change) -> bool,
    ) -> StoreFuture<'a, Rotated> {
        StoreFuture::new(async move {
            let mut change = change.clone();
            if let Some(loaded) = self.inner.load(old).await?.filter(|_| whether(&change)) {
                change.base_version = loaded.record.version;
            }
            self.inner.rotate(old, new, &change).await
        })
    }
}

/// Removes the record that is to be moved, or says why it cannot be.
fn take(
    records: &mut Records,
    old: &SessionId,
    change: &Change,
    now: Timestamp,
) -> Result<Arc<Record>, Rotated> {
    let record = live(records, old, now).ok_or(Rotated::Gone)?;
    if record.version != change.base_version {
        return Err(Rotated::Conflict(Loaded { record, at: now }));
    }
    records.remove(old);
    Ok(record)
}
