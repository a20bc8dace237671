//! What a case works with: [`Trial`].

mod find;
mod together;
mod write;

use std::{pin::Pin, sync::Arc, time::Duration};

pub(super) use find::sorted;
pub(super) use write::{number, touch_of};

use super::{
    Capability, Failure, Harness,
    failure::{Checked, ensure},
};
use crate::{
    Created, LayerName, Lifetime, Loaded, NewRecord, Receipt, Record, SessionId, Store, Timestamp,
    Token, UserId,
};

/// An opened store, a layer of its own in it, and hands to try it with.
#[derive(Clone)]
pub(super) struct Trial {
    pub(super) store: Arc<dyn Store>,
    pub(super) layer: LayerName,
    harness: Arc<dyn AnyHarness>,
}

/// Time.
impl Trial {
    pub(super) fn new(store: Arc<dyn Store>, harness: impl Harness) -> Checked<Self> {
        let layer = format!("layer-{}", Token::random()?.id().short());
        Ok(Self { store, layer: layer.as_str().into(), harness: Arc::new(harness) })
    }

    pub(super) fn declares(&self, capability: Capability) -> bool {
        self.harness.declares(capability)
    }

    pub(super) fn tick(&self) -> Duration {
        self.harness.tick()
    }

    pub(super) fn ticks(&self, count: u32) -> Duration {
        self.tick().saturating_mul(count)
    }

    /// Lets so many ticks pass.
    pub(super) async fn pass(&self, ticks: u32) {
        self.harness.advance(self.ticks(ticks)).await;
    }

    /// Longer than any case runs.
    pub(super) fn long(&self) -> Lifetime {
        let long = self.ticks(10_000).max(Duration::from_secs(3_600));
        Lifetime::new(long, long)
    }

    /// Idle for four ticks: one that two ticks leave alive and five end.
    pub(super) fn short(&self) -> Lifetime {
        Lifetime::new(self.ticks(4), self.long().absolute)
    }

    /// The time of the store's clock.
    pub(super) async fn now(&self) -> Checked<Timestamp> {
        let id = self.id()?;
        let at = self.create(&id, &self.blank()).await?.at;
        self.store.delete(&id).await?;
        Ok(at)
    }

    /// Whether the points are the same as far as the harness can tell.
    pub(super) fn is_about(&self, one: Timestamp, other: Timestamp) -> bool {
        one.since(other).max(other.since(one)) <= self.tick()
    }
}

/// Sessions.
impl Trial {
    pub(super) fn id(&self) -> Checked<SessionId> {
        Ok(Token::random()?.id())
    }

    /// A long session of nobody, with no fields.
    pub(super) fn blank(&self) -> NewRecord {
        NewRecord::new(self.layer.clone(), self.long())
    }

    pub(super) fn with(&self, fields: &[(&str, &str)]) -> NewRecord {
        let mut new = self.blank();
        new.fields = fields.iter().copied().collect();
        new
    }

    pub(super) fn of_user(&self, user: &str) -> NewRecord {
        let mut new = self.blank();
        new.user = Some(UserId::from(user));
        new
    }

    pub(super) fn lasting(&self, lifetime: Lifetime) -> NewRecord {
        NewRecord::new(self.layer.clone(), lifetime)
    }

    /// Creates a session that must come to be.
    pub(super) async fn create(&self, id: &SessionId, new: &NewRecord) -> Checked<Receipt> {
        match self.store.create(id, new.clone()).await? {
            Created::Created(receipt) => Ok(receipt),
            other => Err(Failure::new(format!(
                "create MUST make a session under a free id; the answer was {other:?}"
            ))),
        }
    }

    /// Creates a session and reads it.
    pub(super) async fn begin(&self, new: &NewRecord) -> Checked<(SessionId, Arc<Record>)> {
        let id = self.id()?;
        self.create(&id, new).await?;
        Ok((id, self.record(&id).await?))
    }

    /// Creates a session that has expired since.
    pub(super) async fn expired(&self, mut new: NewRecord) -> Checked<(SessionId, Arc<Record>)> {
        new.lifetime = self.short();
        let session = self.begin(&new).await?;
        self.pass(5).await;
        Ok(session)
    }

    pub(super) async fn load(&self, id: &SessionId) -> Checked<Option<Loaded>> {
        Ok(self.store.load(id).await?)
    }

    /// Reads a session that must be there.
    pub(super) async fn record(&self, id: &SessionId) -> Checked<Arc<Record>> {
        match self.load(id).await? {
            Some(loaded) => Ok(loaded.record),
            None => Err(Failure::new("a live session MUST load; it is missing")),
        }
    }

    pub(super) async fn ensure_absent(&self, id: &SessionId, clause: &str) -> Checked {
        match self.load(id).await? {
            None => Ok(()),
            Some(_) => Err(Failure::new(format!("{clause}; a session was loaded"))),
        }
    }

    /// The session must be what it was, to the last millisecond.
    pub(super) async fn ensure_same(
        &self,
        id: &SessionId,
        before: &Record,
        clause: &str,
    ) -> Checked {
        let after = self.record(id).await.map_err(|failure| failure.during(clause))?;
        ensure!(*after == *before, "{clause}; it was {before:?} and is {after:?}");
        Ok(())
    }

    /// The session must be what is expected, its times as exact as the clock.
    pub(super) async fn ensure_about(
        &self,
        id: &SessionId,
        expected: &Record,
        clause: &str,
    ) -> Checked {
        let found = self.record(id).await.map_err(|failure| failure.during(clause))?;
        self.ensure_record(&found, expected, clause)
    }

    pub(super) fn ensure_record(&self, found: &Record, expected: &Record, clause: &str) -> Checked {
        let mut timed = expected.clone();
        for (time, found) in [
            (&mut timed.created_at, found.created_at),
            (&mut timed.last_active, found.last_active),
            (&mut timed.expires_at, found.expires_at),
        ] {
            if self.is_about(*time, found) {
                *time = found;
            }
        }
        ensure!(*found == timed, "{clause}; expected {expected:?}, found {found:?}");
        Ok(())
    }
}

/// A [`Harness`] whose store's type is forgotten, so that cases are compiled once.
trait AnyHarness: Send + Sync {
    fn advance(&self, by: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    fn tick(&self) -> Duration;
    fn declares(&self, capability: Capability) -> bool;
}

impl<H: Harness> AnyHarness for H {
    fn advance(&self, by: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Harness::advance(self, by))
    }

    fn tick(&self) -> Duration {
        Harness::tick(self)
    }

    fn declares(&self, capability: Capability) -> bool {
        self.capabilities().contains(&capability)
    }
}
