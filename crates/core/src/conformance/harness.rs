//! What the suite asks of the author of a store: [`Harness`].

use std::time::Duration;

use crate::Store;

/// Opens the store that is tested, and moves its time.
///
/// Each case has a harness of its own, so that a clock which stands in it is moved by that case alone.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use tower_keep_core::{Store, TestClock, conformance::{Capability, Harness}};
///
/// /// For a store that asks a `Clock`.
/// struct WithTestClock<F> {
///     clock: Arc<TestClock>,
///     open: F,
/// }
///
/// impl<S, F> Harness for WithTestClock<F>
/// where
///     S: Store,
///     F: Fn(Arc<TestClock>) -> S + Send + Sync + 'static,
/// {
///     type Store = S;
///
///     async fn open(&self) -> S {
///         (self.open)(Arc::clone(&self.clock))
///     }
///
///     async fn advance(&self, by: Duration) {
///         self.clock.advance(by);
///     }
///
///     fn capabilities(&self) -> &[Capability] {
///         &[Capability::Index, Capability::Sweep]
///     }
/// }
/// ```
pub trait Harness: Send + Sync + 'static {
    /// The store that is tested.
    type Store: Store;

    /// Opens an empty store that nobody else uses: a directory, a schema or a prefix of keys with a
    /// random name, say. It is purged and its sessions are counted.
    ///
    /// It panics where it cannot, which fails the case: a server that does not run must never look
    /// like a suite that passes.
    fn open(&self) -> impl Future<Output = Self::Store> + Send;

    /// Returns when the clock that judges expiry has moved on by at least this long.
    ///
    /// A [`TestClock`](crate::TestClock) is moved; the clock of a server has to be slept through.
    fn advance(&self, by: Duration) -> impl Future<Output = ()> + Send;

    /// What the store can do besides. An answer of the store that differs from this fails a case,
    /// so that nothing is left out unseen.
    fn capabilities(&self) -> &[Capability];

    /// The unit in which cases wait: a second unless told.
    ///
    /// Sessions that are to expire live for a few of them, and nothing is expected of shorter times.
    /// It has to be longer than the clock is coarse and than some ten operations take; shorter
    /// makes a suite that sleeps finish sooner.
    fn tick(&self) -> Duration {
        Duration::from_secs(1)
    }
}

/// What a store can do besides keeping sessions under their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability {
    /// The store has an [`Index`](crate::Index).
    Index,
    /// The store has a [`Sweep`](crate::Sweep).
    Sweep,
    /// The store has a [`Purge`](crate::Purge).
    Purge,
    /// The store has an [`Import`](crate::Import).
    Import,
    /// The store has a [`Check`](crate::Check).
    Check,
}

impl Capability {
    pub(super) const ALL: [Self; 5] =
        [Self::Index, Self::Sweep, Self::Purge, Self::Import, Self::Check];

    pub(super) fn is_offered_by(self, store: &dyn Store) -> bool {
        match self {
            Self::Index => store.index().is_some(),
            Self::Sweep => store.sweep().is_some(),
            Self::Purge => store.purge().is_some(),
            Self::Import => store.import().is_some(),
            Self::Check => store.check().is_some(),
        }
    }
}
