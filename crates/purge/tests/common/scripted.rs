//! A store whose sweeps and purges go by script: [`Scripted`].

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tower_keep_core::{
    Applied, Change, Created, Loaded, NewRecord, Purge, Purged, Rotated, SessionId, Store,
    StoreError, StoreErrorKind, StoreFuture, Sweep, Swept, Touch, Touched,
};

/// What one sweep does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Removes { sessions: u64, more: bool },
    Busy,
    Fails(StoreErrorKind),
    Silent,
    Panics,
}

/// A store that sweeps by script, and finds nothing expired after its end. Copies share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scripted {
    script: Arc<Mutex<VecDeque<Step>>>,
    sweeps: Arc<AtomicU64>,
    limits: Arc<Mutex<Vec<usize>>>,
    purge_fails: Option<StoreErrorKind>,
    no_sweep: bool,
}

impl Scripted {
    pub(crate) fn new(script: impl IntoIterator<Item = Step>) -> Self {
        Self { script: Arc::new(Mutex::new(script.into_iter().collect())), ..Self::default() }
    }

    pub(crate) fn failing_purge(kind: StoreErrorKind) -> Self {
        Self { purge_fails: Some(kind), ..Self::default() }
    }

    pub(crate) fn without_sweep() -> Self {
        Self { no_sweep: true, ..Self::default() }
    }

    pub(crate) fn sweeps(&self) -> u64 {
        self.sweeps.load(Ordering::SeqCst)
    }

    /// The limit of each sweep.
    pub(crate) fn limits(&self) -> Vec<usize> {
        self.limits.lock().unwrap().clone()
    }
}

fn fault(kind: StoreErrorKind) -> StoreError {
    StoreError::new(kind, "a fault of the script")
}

/// It keeps no sessions.
impl Store for Scripted {
    fn create<'a>(&'a self, _: &'a SessionId, _: NewRecord) -> StoreFuture<'a, Created> {
        StoreFuture::ready(Ok(Created::Taken))
    }

    fn load<'a>(&'a self, _: &'a SessionId) -> StoreFuture<'a, Option<Loaded>> {
        StoreFuture::ready(Ok(None))
    }

    fn apply<'a>(&'a self, _: &'a SessionId, _: &'a Change) -> StoreFuture<'a, Applied> {
        StoreFuture::ready(Ok(Applied::Gone))
    }

    fn rotate<'a>(
        &'a self,
        _: &'a SessionId,
        _: &'a SessionId,
        _: &'a Change,
    ) -> StoreFuture<'a, Rotated> {
        StoreFuture::ready(Ok(Rotated::Gone))
    }

    fn touch<'a>(&'a self, _: &'a SessionId, _: Touch) -> StoreFuture<'a, Touched> {
        StoreFuture::ready(Ok(Touched::Gone))
    }

    fn delete<'a>(&'a self, _: &'a SessionId) -> StoreFuture<'a, bool> {
        StoreFuture::ready(Ok(false))
    }

    fn sweep(&self) -> Option<&dyn Sweep> {
        (!self.no_sweep).then_some(self)
    }

    fn purge(&self) -> Option<&dyn Purge> {
        self.purge_fails.is_some().then_some(self)
    }
}

impl Sweep for Scripted {
    fn sweep(&self, limit: usize) -> StoreFuture<'_, Swept> {
        self.sweeps.fetch_add(1, Ordering::SeqCst);
        self.limits.lock().unwrap().push(limit);
        let step = self.script.lock().unwrap().pop_front();
        match step.unwrap_or(Step::Removes { sessions: 0, more: false }) {
            Step::Removes { sessions, more } => {
                StoreFuture::ready(Ok(Swept::Removed { sessions, more }))
            }
            Step::Busy => StoreFuture::ready(Ok(Swept::Busy)),
            Step::Fails(kind) => StoreFuture::ready(Err(fault(kind))),
            Step::Silent => StoreFuture::new(std::future::pending()),
            Step::Panics => panic!("a panic of the script"),
        }
    }
}

impl Purge for Scripted {
    fn purge(&self) -> StoreFuture<'_, Purged> {
        let kind = self.purge_fails.unwrap_or(StoreErrorKind::Unavailable);
        StoreFuture::ready(Err(fault(kind)))
    }
}
