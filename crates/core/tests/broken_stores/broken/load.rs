//! Flaws of `load` and `delete`.

use std::sync::Arc;

use tower_keep_core::{
    Loaded, Record, SessionId, Store, StoreError, StoreErrorKind, StoreFuture, Timestamp,
};

use super::{Broken, Flaw, create::cut, pause};
use crate::reference::live;

impl Broken {
    pub(super) fn broken_load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Loaded>> {
        let flaw = self.flaw;
        match flaw {
            Flaw::ExpiredIsLoaded => self.load_if(id, |_, _| true),
            Flaw::ExpiryIsLate => self.load_if(id, |record, now| record.expires_at >= now),
            Flaw::LoadTouches => self.inner.step(move |records, now| {
                let record = records.get_mut(id).filter(|record| !record.is_expired(now))?;
                Arc::make_mut(record).last_active = now;
                Some(Loaded { record: Arc::clone(record), at: now })
            }),
            Flaw::LoadIsTorn => StoreFuture::new(async move {
                let Some(mut first) = self.inner.load(id).await? else {
                    return Ok(None);
                };
                pause().await;
                if let Some(second) = self.inner.load(id).await? {
                    let two = second.record.fields.get("two");
                    let record = Arc::make_mut(&mut first.record);
                    record.fields = record.fields.with([("two", two)]);
                }
                Ok(Some(first))
            }),
            Flaw::LoadPanics => StoreFuture::new(async move {
                let loaded = self.inner.load(id).await?;
                assert!(loaded.is_some(), "no row");
                Ok(loaded)
            }),
            Flaw::MissingIsAnError => StoreFuture::new(async move {
                match self.inner.load(id).await? {
                    Some(loaded) => Ok(Some(loaded)),
                    None => Err(StoreError::new(StoreErrorKind::Unavailable, "no row")),
                }
            }),
            Flaw::LoadTellsNoTime => StoreFuture::new(async move {
                let loaded = self.inner.load(id).await?;
                Ok(loaded.map(|loaded| Loaded { at: loaded.record.created_at, ..loaded }))
            }),
            _ => StoreFuture::new(async move { self.inner.load(&cut(flaw, id)).await }),
        }
    }

    fn load_if<'a>(
        &'a self,
        id: &'a SessionId,
        is_live: fn(&Record, Timestamp) -> bool,
    ) -> StoreFuture<'a, Option<Loaded>> {
        self.inner.step(move |records, now| {
            let record = records.get(id).filter(|record| is_live(record, now))?;
            Some(Loaded { record: Arc::clone(record), at: now })
        })
    }

    pub(super) fn broken_delete<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        let flaw = self.flaw;
        match flaw {
            Flaw::DeleteSaysTrue => StoreFuture::new(async move {
                self.inner.delete(id).await?;
                Ok(true)
            }),
            Flaw::DeleteFindsExpired => {
                self.inner.step(move |records, _| records.remove(id).is_some())
            }
            Flaw::DeletedIdsStayTaken => self.inner.step(move |records, now| {
                let Some(record) = live(records, id, now) else {
                    return false;
                };
                // A tombstone.
                let mut record = Record::clone(&record);
                record.expires_at = now;
                records.insert(*id, record.into());
                true
            }),
            Flaw::DeleteChecksFirst => StoreFuture::new(async move {
                let found = self.inner.load(id).await?.is_some();
                pause().await;
                self.inner.delete(id).await?;
                Ok(found)
            }),
            _ => StoreFuture::new(async move { self.inner.delete(&cut(flaw, id)).await }),
        }
    }
}
