//! A store that delays, fails and falls silent by script: [`Faulty`].

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use tower_keep::{
    Applied, Change, Check, Created, Import, Index, Loaded, NewRecord, Purge, Rotated, SessionId,
    Store, StoreError, StoreErrorKind, StoreFuture, Sweep, Touch, Touched,
};

use crate::Gate;

/// An operation of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as the operations are")]
pub enum Call {
    Create,
    Load,
    Apply,
    Rotate,
    Touch,
    Delete,
}

impl Call {
    /// All operations.
    pub const ALL: [Self; 6] =
        [Self::Create, Self::Load, Self::Apply, Self::Rotate, Self::Touch, Self::Delete];
}

/// What happens to one call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It fails and is not carried out.
    Fails(StoreErrorKind),
    /// It is carried out, and fails.
    FailsAfter(StoreErrorKind),
    /// It is carried out, and its answer never comes.
    Lost,
    /// It is carried out only when the gate opens.
    Parks(Gate),
    /// It is carried out, and answers only when the gate opens.
    ParksAfter(Gate),
    /// It is not carried out, and never answers.
    Silent,
    /// It gives way so many times before it is carried out, and as many before it answers.
    Yields(u32),
}

/// A store that delays, fails and falls silent by script, and counts its calls. Copies share both.
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    inner: S,
    script: Arc<Mutex<Script>>,
}

#[derive(Debug, Default)]
struct Script {
    next: HashMap<Call, VecDeque<Fault>>,
    always: HashMap<Call, Fault>,
    calls: HashMap<Call, u64>,
}

impl<S> Faulty<S> {
    /// A store without a fault so far.
    pub fn new(inner: S) -> Self {
        Self { inner, script: Arc::default() }
    }

    /// The store beneath.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Lets the next call that has no fault yet have this one.
    pub fn next(&self, call: Call, fault: Fault) {
        let mut script = self.script.lock().unwrap();
        script.next.entry(call).or_default().push_back(fault);
    }

    /// Lets all calls of this kind have a fault, if the script says no other.
    pub fn always(&self, call: Call, fault: Fault) {
        self.script.lock().unwrap().always.insert(call, fault);
    }

    /// Lets all calls of every kind have a fault.
    pub fn everywhere(&self, fault: &Fault) {
        for call in Call::ALL {
            self.always(call, fault.clone());
        }
    }

    /// Forgets all faults.
    pub fn heal(&self) {
        let mut script = self.script.lock().unwrap();
        script.next.clear();
        script.always.clear();
    }

    /// How many calls of this kind there were since the last time that all were counted.
    #[must_use]
    pub fn count(&self, call: Call) -> u64 {
        let script = self.script.lock().unwrap();
        script.calls.get(&call).copied().unwrap_or(0)
    }

    /// All calls since the last time, and begins to count anew.
    #[must_use]
    pub fn take_calls(&self) -> Vec<(Call, u64)> {
        let mut script = self.script.lock().unwrap();
        let calls = std::mem::take(&mut script.calls);
        Call::ALL
            .into_iter()
            .filter_map(|call| calls.get(&call).map(|count| (call, *count)))
            .collect()
    }

    fn begin(&self, call: Call) -> Option<Fault> {
        let mut script = self.script.lock().unwrap();
        *script.calls.entry(call).or_default() += 1;
        let next = script.next.get_mut(&call).and_then(VecDeque::pop_front);
        next.or_else(|| script.always.get(&call).cloned())
    }

    fn answer<'a, T: Send + 'a>(
        &'a self,
        call: Call,
        carry_out: impl FnOnce() -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        match self.begin(call) {
            None => carry_out(),
            Some(fault) => StoreFuture::new(async move {
                fault.before().await?;
                let answer = carry_out().await;
                fault.after().await?;
                answer
            }),
        }
    }
}

impl Fault {
    async fn before(&self) -> Result<(), StoreError> {
        match self {
            Self::Fails(kind) => return Err(error(*kind)),
            Self::Silent => std::future::pending().await,
            Self::Parks(gate) => gate.pass().await,
            Self::Yields(times) => give_way(*times).await,
            Self::FailsAfter(_) | Self::Lost | Self::ParksAfter(_) => {}
        }
        Ok(())
    }

    async fn after(&self) -> Result<(), StoreError> {
        match self {
            Self::FailsAfter(kind) => return Err(error(*kind)),
            Self::Lost => std::future::pending().await,
            Self::ParksAfter(gate) => gate.pass().await,
            Self::Yields(times) => give_way(*times).await,
            Self::Fails(_) | Self::Parks(_) | Self::Silent => {}
        }
        Ok(())
    }
}

fn error(kind: StoreErrorKind) -> StoreError {
    StoreError::new(kind, "a fault of the script")
}

/// Is pending so many times, whatever runtime polls it.
pub async fn give_way(times: u32) {
    struct Once(bool);

    impl Future for Once {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
            if std::mem::replace(&mut self.0, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }
    }

    for _ in 0..times {
        Once(false).await;
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: Store> Store for Faulty<S> {
    fn create<'a>(&'a self, id: &'a SessionId, new: NewRecord) -> StoreFuture<'a, Created> {
        self.answer(Call::Create, || self.inner.create(id, new))
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Loaded>> {
        self.answer(Call::Load, || self.inner.load(id))
    }

    fn apply<'a>(&'a self, id: &'a SessionId, change: &'a Change) -> StoreFuture<'a, Applied> {
        self.answer(Call::Apply, || self.inner.apply(id, change))
    }

    fn rotate<'a>(
        &'a self,
        old: &'a SessionId,
        new: &'a SessionId,
        change: &'a Change,
    ) -> StoreFuture<'a, Rotated> {
        self.answer(Call::Rotate, || self.inner.rotate(old, new, change))
    }

    fn touch<'a>(&'a self, id: &'a SessionId, touch: Touch) -> StoreFuture<'a, Touched> {
        self.answer(Call::Touch, move || self.inner.touch(id, touch))
    }

    fn delete<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.answer(Call::Delete, || self.inner.delete(id))
    }

    /// A fault may make any answer late.
    fn answers_at_once(&self) -> bool {
        false
    }

    fn index(&self) -> Option<&dyn Index> {
        self.inner.index()
    }

    fn sweep(&self) -> Option<&dyn Sweep> {
        self.inner.sweep()
    }

    fn purge(&self) -> Option<&dyn Purge> {
        self.inner.purge()
    }

    fn import(&self) -> Option<&dyn Import> {
        self.inner.import()
    }

    fn check(&self) -> Option<&dyn Check> {
        self.inner.check()
    }
}
