//! Flaws of `apply`.

use std::sync::{Arc, atomic::Ordering};

use tower_keep_core::{
    Applied, Change, Fields, LayerName, Loaded, Receipt, Record, SessionId, Store, StoreError,
    StoreErrorKind, StoreFuture, Timestamp,
};

use super::{
    Broken, Flaw,
    create::{cut, damaged_change},
    pause,
};
use crate::reference::{Records, live, put};

impl Broken {
    pub(super) fn broken_apply<'a>(
        &'a self,
        id: &'a SessionId,
        change: &'a Change,
    ) -> StoreFuture<'a, Applied> {
        let flaw = self.flaw;
        match flaw {
            Flaw::ApplyUpserts => self.inner.step(|records, now| {
                let missing = || Arc::new(Record::new(LayerName::from("?"), now));
                let record = live(records, id, now).unwrap_or_else(missing);
                Applied::Applied(write(records, id, change, &record, now))
            }),
            Flaw::ApplyRevivesExpired => {
                self.inner.step(|records, now| match records.get(id).map(Arc::clone) {
                    None => Applied::Gone,
                    Some(record) => Applied::Applied(write(records, id, change, &record, now)),
                })
            }
            Flaw::ApplyIsBlind => self.forgetting(id, change, |change| {
                change.exact = false;
                change.clear = false;
            }),
            Flaw::ExactIsPlain => self.forgetting(id, change, |change| change.exact = false),
            Flaw::ClearIsIgnored => self.forgetting(id, change, |change| change.clear = false),
            Flaw::RestartIsIgnored => self.forgetting(id, change, |change| change.restart = false),
            Flaw::UserIsIgnored => self.forgetting(id, change, |change| change.user = None),
            Flaw::RememberIsIgnored => self.forgetting(id, change, |change| change.remember = None),
            Flaw::RemovalsAreIgnored => self.forgetting(id, change, |change| {
                let set = change.edits.iter().filter(|(_, json)| json.is_some());
                change.edits = set.collect();
            }),
            Flaw::ApplyRestarts => self.forgetting(id, change, |change| change.restart = true),
            Flaw::ApplyChecksFirst => StoreFuture::new(async move {
                let Some(loaded) = self.inner.load(id).await? else {
                    return Ok(Applied::Gone);
                };
                if !change.fits(loaded.record.version) {
                    return Ok(Applied::Conflict(loaded));
                }
                pause().await;
                let write =
                    |records: &mut Records, now| write(records, id, change, &loaded.record, now);
                Ok(Applied::Applied(self.inner.step(write).await?))
            }),
            Flaw::ApplyIsTwoSteps => StoreFuture::new(async move {
                let first = |records: &mut Records, now| {
                    let record = live(records, id, now)?;
                    let edits = change.edits.iter().take(1);
                    let mut half = Record::clone(&record);
                    half.fields = half.fields.with(edits);
                    put(records, *id, half, now, 0);
                    Some(())
                };
                self.inner.step(first).await?;
                self.inner.apply(id, change).await
            }),
            Flaw::ConflictAppliesPartly => StoreFuture::new(async move {
                let answer = self.inner.apply(id, change).await?;
                if let Applied::Conflict(loaded) = &answer {
                    let mut record = Record::clone(&loaded.record);
                    record.last_active = loaded.at;
                    record.expires_at = change.lifetime.expires_at(record.created_at, loaded.at);
                    let put = |records: &mut Records, now| put(records, *id, record, now, 0);
                    self.inner.step(put).await?;
                }
                Ok(answer)
            }),
            Flaw::ConflictIsStale => StoreFuture::new(async move {
                let mut answer = self.inner.apply(id, change).await?;
                if let Applied::Conflict(Loaded { record, .. }) = &mut answer {
                    Arc::make_mut(record).fields = Fields::default();
                }
                Ok(answer)
            }),
            Flaw::MergeDropsOthers => self.inner.step(|records, now| {
                let Some(record) = live(records, id, now) else {
                    return Applied::Gone;
                };
                if change.base_version == record.version || !change.fits(record.version) {
                    return answer(records, id, change, record, now);
                }
                let mut alone = Record::clone(&record);
                alone.fields = Fields::default();
                Applied::Applied(write(records, id, change, &alone, now))
            }),
            Flaw::VersionStays => self.inner.step(|records, now| {
                let Some(record) = live(records, id, now) else {
                    return Applied::Gone;
                };
                let mut record = Record::clone(&record);
                record.version -= 1;
                Applied::Applied(write(records, id, change, &record, now))
            }),
            Flaw::DropLeavesALock => StoreFuture::new(async move {
                if self.locked.swap(true, Ordering::SeqCst) {
                    return Err(StoreError::new(StoreErrorKind::Unavailable, "still locked"));
                }
                let answer = self.inner.apply(id, change).await;
                self.locked.store(false, Ordering::SeqCst);
                answer
            }),
            _ => StoreFuture::new(async move {
                let change = damaged_change(flaw, change);
                self.inner.apply(&cut(flaw, id), &change).await
            }),
        }
    }

    /// Applies a change without a part of it.
    fn forgetting<'a>(
        &'a self,
        id: &'a SessionId,
        change: &'a Change,
        forget: fn(&mut Change),
    ) -> StoreFuture<'a, Applied> {
        StoreFuture::new(async move {
            let mut change = change.clone();
            forget(&mut change);
            self.inner.apply(id, &change).await
        })
    }
}

fn answer(
    records: &mut Records,
    id: &SessionId,
    change: &Change,
    record: Arc<Record>,
    now: Timestamp,
) -> Applied {
    if change.fits(record.version) {
        Applied::Applied(write(records, id, change, &record, now))
    } else {
        Applied::Conflict(Loaded { record, at: now })
    }
}

fn write(
    records: &mut Records,
    id: &SessionId,
    change: &Change,
    record: &Record,
    now: Timestamp,
) -> Receipt {
    put(records, *id, change.applied_to(record, now), now, 0)
}
