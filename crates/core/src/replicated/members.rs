//! The stores, and how they are called: [`Members`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    calls::{Call, Calls},
    vote::Vote,
};
use crate::{
    Applied, Change, Clock, Created, Loaded, NewRecord, Record, SessionId, Store, StoreError,
    StoreErrorKind, StoreFuture, Timestamp,
};

/// So long a member is left alone that did not answer in time, so that no calls pile up before it.
const REST: Duration = Duration::from_secs(1);

/// So long the other members are waited for once a quorum has answered: those that are well take part
/// in the next round too, and need not be brought up to date behind it.
const GRACE: Duration = Duration::from_millis(2);

/// The stores, each with a deadline.
#[derive(Debug)]
pub(super) struct Members {
    members: Box<[Member]>,
    /// How many make a decision: more than half.
    pub(super) quorum: usize,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Member {
    store: Arc<dyn Store>,
    rests_until: Mutex<Option<Instant>>,
    /// Whether it was too late for the others of late, who then do not wait for it.
    is_late: AtomicBool,
}

/// What a member holds for an id.
#[derive(Clone, Debug)]
pub(super) enum Held {
    Nothing,
    Vote(Arc<Record>, Vote),
}

impl Members {
    pub(super) fn new(
        stores: Vec<Arc<dyn Store>>,
        quorum: usize,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let members = stores.into_iter().map(|store| Member {
            store,
            rests_until: Mutex::default(),
            is_late: AtomicBool::new(false),
        });
        Self { members: members.collect(), quorum, timeout, clock }
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How long an operation of several calls may take in all.
    pub(super) fn patience(&self) -> Duration {
        self.timeout.saturating_mul(4)
    }

    pub(super) fn stores(&self) -> impl Iterator<Item = &dyn Store> {
        self.members.iter().map(|member| &*member.store)
    }

    pub(super) fn store(&self, member: usize) -> &dyn Store {
        &*self.members[member].store
    }

    /// The members that are left alone for a while.
    pub(super) fn resting(&self) -> Vec<usize> {
        let now = Instant::now();
        let rests = |member: &usize| {
            self.members[*member].rests_until.lock().is_some_and(|until| until > now)
        };
        (0..self.len()).filter(rests).collect()
    }

    /// Asks members what they hold.
    pub(super) fn load_each(
        self: &Arc<Self>,
        members: impl IntoIterator<Item = usize>,
        id: SessionId,
    ) -> Calls<Held> {
        Calls::new(members.into_iter().map(|member| {
            let members = Arc::clone(self);
            let call: Call<Held> = Box::pin(async move { members.load(member, &id).await });
            (member, call)
        }))
    }

    pub(super) async fn load(&self, member: usize, id: &SessionId) -> Result<Held, StoreError> {
        match self.within(member, self.store(member).load(id)).await? {
            Some(loaded) => Held::of(loaded),
            None => Ok(Held::Nothing),
        }
    }

    pub(super) async fn create(
        &self,
        member: usize,
        id: &SessionId,
        new: NewRecord,
    ) -> Result<Created, StoreError> {
        self.within(member, self.store(member).create(id, new)).await
    }

    pub(super) async fn apply(
        &self,
        member: usize,
        id: &SessionId,
        change: &Change,
    ) -> Result<Applied, StoreError> {
        self.within(member, self.store(member).apply(id, change)).await
    }

    /// Awaits a member for a bounded time, and lets it rest if it takes longer.
    pub(super) async fn within<T>(
        &self,
        member: usize,
        answer: StoreFuture<'_, T>,
    ) -> Result<T, StoreError> {
        let asked = Instant::now();
        let answer = answer.within(self.timeout).await;
        if asked.elapsed() < GRACE {
            self.members[member].is_late.store(false, Relaxed);
        }
        if answer.as_ref().is_err_and(|error| error.kind() == StoreErrorKind::TimedOut) {
            *self.members[member].rests_until.lock() = Some(Instant::now() + REST);
        }
        answer
    }

    /// The next answer; where there are `enough`, for a short time only.
    pub(super) async fn next<T>(
        &self,
        calls: &mut Calls<T>,
        enough: bool,
    ) -> Option<(usize, Result<T, StoreError>)> {
        if !enough {
            return calls.next().await;
        }
        if calls.members().all(|member| self.members[member].is_late.load(Relaxed)) {
            return None;
        }
        match tokio::time::timeout(GRACE, calls.next()).await {
            Ok(answer) => answer,
            Err(_) => {
                for member in calls.members() {
                    self.members[member].is_late.store(true, Relaxed);
                }
                None
            }
        }
    }
}

impl Held {
    pub(super) fn of(loaded: Loaded) -> Result<Self, StoreError> {
        // What another program keeps there is no vote, and is left as it is.
        Ok(match Vote::decode(&loaded.record)? {
            Some(vote) => Self::Vote(loaded.record, vote),
            None => Self::Nothing,
        })
    }
}
