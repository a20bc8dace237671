//! The settings of a store: [`ReplicatedStoreBuilder`].

use std::{sync::Arc, time::Duration};

use super::{ReplicatedStore, keep::Keep, members::Members, register::Register};
use crate::{Clock, Store, StoreError, StoreErrorKind, SystemClock};

/// The most members: one bit each.
const MOST_MEMBERS: usize = 64;

/// The settings of a [`ReplicatedStore`].
#[derive(Debug)]
#[must_use = "settings do nothing until they are built"]
pub struct ReplicatedStoreBuilder {
    stores: Vec<Arc<dyn Store>>,
    quorum: Option<usize>,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl ReplicatedStoreBuilder {
    pub(super) fn new(stores: Vec<Arc<dyn Store>>) -> Self {
        let clock = Arc::new(SystemClock);
        Self { stores, quorum: None, timeout: Duration::from_secs(1), clock }
    }

    /// Sets how many members make a decision, for reads and for writes alike: more than half unless
    /// told, and never fewer, since any two quorums must have a member in common.
    ///
    /// A larger one keeps what was decided where more members lose theirs at once, and stops when fewer
    /// are away.
    pub fn quorum(mut self, members: usize) -> Self {
        self.quorum = Some(members);
        self
    }

    /// Sets how long one call of one member may take: a second unless told. An operation makes several
    /// and ends after four times as long; keep that below the layer's `store_timeout`, which is five
    /// seconds unless told.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the clock that judges expiry: the system's unless told. The clocks of all servers that share
    /// the members, and of the members, have to agree within a minute.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Makes the store.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Misconfigured`] if there is no member, or more than 64, or if the quorum is not
    /// more than half of the members or more than there are.
    pub fn build(self) -> Result<ReplicatedStore, StoreError> {
        let count = self.stores.len();
        let quorum = self.quorum.unwrap_or(count / 2 + 1);
        let refuse = |why: &'static str| Err(StoreError::new(StoreErrorKind::Misconfigured, why));
        if count == 0 || count > MOST_MEMBERS {
            return refuse("a replicated store has between 1 and 64 members");
        }
        if quorum * 2 <= count || quorum > count {
            return refuse("a quorum is more than half of the members, and at most all of them");
        }
        let members = Members::new(self.stores, quorum, self.timeout, self.clock);
        Ok(ReplicatedStore::of(Keep::new(Register::new(members))))
    }
}
