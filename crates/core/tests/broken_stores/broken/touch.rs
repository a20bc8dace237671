//! Flaws of `touch`.

use std::sync::Arc;

use tower_keep_core::{
    LayerName, Record, SessionId, Store, StoreFuture, Timestamp, Touch, Touched,
};

use super::{
    Broken, Flaw,
    create::{cut, lifetime},
    pause,
};
use crate::reference::{Records, live, put};

impl Broken {
    pub(super) fn broken_touch<'a>(
        &'a self,
        id: &'a SessionId,
        touch: Touch,
    ) -> StoreFuture<'a, Touched> {
        let flaw = self.flaw;
        match flaw {
            Flaw::TouchUpserts => self.altered(id, touch, |record, now| {
                Some(record.unwrap_or_else(|| Arc::new(Record::new(LayerName::from("?"), now))))
            }),
            Flaw::TouchBumpsVersion => self.altered(id, touch, |record, _| {
                let mut record = record?;
                Arc::make_mut(&mut record).version += 1;
                Some(record)
            }),
            Flaw::TouchRestarts => self.altered(id, touch, |record, now| {
                let mut record = record?;
                Arc::make_mut(&mut record).created_at = now;
                Some(record)
            }),
            Flaw::TouchRevivesExpired => self.inner.step(move |records, now| {
                match records.get(id).map(|record| record.touched(touch.lifetime, now)) {
                    None => Touched::Gone,
                    Some(record) => Touched::Touched(put(records, *id, record, now, 0)),
                }
            }),
            Flaw::TouchOutlivesAbsolute => self.inner.step(move |records, now| {
                let Some(record) = live(records, id, now) else {
                    return Touched::Gone;
                };
                let mut record = record.touched(touch.lifetime, now);
                record.expires_at = now + touch.lifetime.idle;
                Touched::Touched(put(records, *id, record, now, 0))
            }),
            Flaw::TouchOnlyProlongs => self.inner.step(move |records, now| {
                let Some(record) = live(records, id, now) else {
                    return Touched::Gone;
                };
                let mut touched = record.touched(touch.lifetime, now);
                touched.expires_at = touched.expires_at.max(record.expires_at);
                Touched::Touched(put(records, *id, touched, now, 0))
            }),
            Flaw::TouchReachesAll => StoreFuture::new(async move {
                let answer = self.inner.touch(id, touch).await?;
                if let Touched::Touched(receipt) = answer {
                    for record in self.inner.lock().values_mut() {
                        Arc::make_mut(record).expires_at = receipt.expires_at;
                    }
                }
                Ok(answer)
            }),
            Flaw::TouchTakesOut => StoreFuture::new(async move {
                let taken = self.inner.step(|records, now| {
                    let taken = live(records, id, now)?;
                    records.remove(id);
                    Some(taken)
                });
                let Some(record) = taken.await? else {
                    return Ok(Touched::Gone);
                };
                let write = |records: &mut Records, now| {
                    let touched = record.touched(touch.lifetime, now);
                    put(records, *id, touched, now, 0)
                };
                Ok(Touched::Touched(self.inner.step(write).await?))
            }),
            Flaw::TouchWritesBack => StoreFuture::new(async move {
                let Some(loaded) = self.inner.load(id).await? else {
                    return Ok(Touched::Gone);
                };
                pause().await;
                let write = |records: &mut Records, now| {
                    let touched = loaded.record.touched(touch.lifetime, now);
                    put(records, *id, touched, now, 0)
                };
                Ok(Touched::Touched(self.inner.step(write).await?))
            }),
            Flaw::TouchForgetsLastActive => StoreFuture::new(async move {
                let before = self.inner.load(id).await?;
                let answer = self.inner.touch(id, touch).await?;
                if let (Some(before), Some(record)) = (before, self.inner.lock().get_mut(id)) {
                    Arc::make_mut(record).last_active = before.record.last_active;
                }
                Ok(answer)
            }),
            _ => StoreFuture::new(async move {
                let touch = Touch { lifetime: lifetime(flaw, touch.lifetime), ..touch };
                self.inner.touch(&cut(flaw, id), touch).await
            }),
        }
    }

    /// Touches what `alter` makes of the record.
    fn altered<'a>(
        &'a self,
        id: &'a SessionId,
        touch: Touch,
        alter: fn(Option<Arc<Record>>, Timestamp) -> Option<Arc<Record>>,
    ) -> StoreFuture<'a, Touched> {
        self.inner.step(move |records, now| {
            let Some(record) = alter(live(records, id, now), now) else {
                return Touched::Gone;
            };
            let touched = record.touched(touch.lifetime, now);
            Touched::Touched(put(records, *id, touched, now, 0))
        })
    }
}
