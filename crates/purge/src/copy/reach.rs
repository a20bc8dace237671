//! The two stores of a copy, with deadlines and patience: [`Reach`].

use std::time::Duration;

use tower_keep_core::{
    Applied, Change, Created, Cursor, Import, Index, Loaded, Page, Query, Record, SessionId, Store,
    StoreError, StoreErrorKind, StoreFuture, Touch, Touched,
};

use super::{CopyError, CopySettings, error::Cause};

/// How long to wait before a call that failed is tried again, and how often.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2)];

/// The two stores of a copy. A call that fails for a moment is tried again: all of them may be.
pub(super) struct Reach<'a, F: ?Sized, T: ?Sized> {
    from: &'a F,
    index: &'a dyn Index,
    to: &'a T,
    import: &'a dyn Import,
    timeout: Duration,
}

type FromSource<T> = Result<T, Trouble>;
type FromTarget<T> = Result<T, Trouble>;

/// A call that failed for good.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It concerns one session alone.
    Session(StoreErrorKind),
    /// It concerns the copy.
    Copy(CopyError),
}

impl<'a, F: Store + ?Sized, T: Store + ?Sized> Reach<'a, F, T> {
    pub(super) fn new(from: &'a F, to: &'a T, settings: &CopySettings) -> Result<Self, CopyError> {
        let index = from.index().ok_or(Cause::NoIndex)?;
        let import = to.import().ok_or(Cause::NoImport)?;
        Ok(Self { from, index, to, import, timeout: settings.store_timeout })
    }

    pub(super) async fn list(
        &self,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, CopyError> {
        let query = Query::all().after(after).with_limit(limit);
        let page = self.patiently(|| self.index.list(&query)).await;
        page.map_err(|error| Cause::Source(error).into())
    }

    pub(super) async fn load_here(&self, id: &SessionId) -> FromSource<Option<Loaded>> {
        self.patiently(|| self.from.load(id))
            .await
            .map_err(|error| Trouble::of(error, Cause::Source))
    }

    pub(super) async fn load_there(&self, id: &SessionId) -> FromTarget<Option<Loaded>> {
        self.there(|| self.to.load(id)).await
    }

    pub(super) async fn import(&self, id: &SessionId, record: &Record) -> FromTarget<Created> {
        self.there(|| self.import.import(id, record)).await
    }

    pub(super) async fn apply(&self, id: &SessionId, change: &Change) -> FromTarget<Applied> {
        // One that was carried out although its answer was lost is a conflict the second time.
        self.there(|| self.to.apply(id, change)).await
    }

    pub(super) async fn touch(&self, id: &SessionId, touch: Touch) -> FromTarget<Touched> {
        self.there(|| self.to.touch(id, touch)).await
    }

    pub(super) async fn end_there(&self, id: &SessionId) -> FromTarget<bool> {
        self.there(|| self.to.delete(id)).await
    }

    async fn there<'f, A: 'f>(&self, call: impl Fn() -> StoreFuture<'f, A>) -> FromTarget<A> {
        self.patiently(call).await.map_err(|error| Trouble::of(error, Cause::Target))
    }

    async fn patiently<'f, A: 'f>(
        &self,
        call: impl Fn() -> StoreFuture<'f, A>,
    ) -> Result<A, StoreError> {
        let mut pauses = PAUSES.iter();
        loop {
            let answer = match tokio::time::timeout(self.timeout, call()).await {
                Ok(answer) => answer,
                Err(elapsed) => Err(StoreError::new(StoreErrorKind::TimedOut, elapsed)),
            };
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let is_passing =
                matches!(error.kind(), StoreErrorKind::Unavailable | StoreErrorKind::TimedOut);
            match pauses.next() {
                Some(pause) if is_passing => tokio::time::sleep(*pause).await,
                _ => return Err(error),
            }
        }
    }
}

impl Trouble {
    fn of(error: StoreError, cause: fn(StoreError) -> Cause) -> Self {
        match error.kind() {
            StoreErrorKind::Corrupt | StoreErrorKind::Full => Self::Session(error.kind()),
            _ => Self::Copy(cause(error).into()),
        }
    }
}
