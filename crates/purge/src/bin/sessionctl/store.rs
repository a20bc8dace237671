//! The store that a run works on: [`Opened`].

use std::{path::Path, pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use tower_keep_core::{
    Cursor, Index, Loaded, Page, Query, SessionId, Stats, Store, StoreError, StoreErrorKind,
};
use tower_keep_file_store::FileStore;

use crate::{
    arguments::DryRun,
    exit::{Exit, Failure},
};

/// How many sessions are listed at once.
pub(crate) const PAGE: usize = 200;

/// The shortest beginning of an id that is looked for.
const MIN_DIGITS: usize = 4;

/// The store that a run works on, each call with a deadline.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    timeout: Duration,
}

impl Opened {
    pub(crate) async fn open(url: &str, timeout: Duration) -> Result<Self, Failure> {
        let opening = tower_keep_connect::connect(url);
        match tokio::time::timeout(timeout, opening).await {
            Ok(Ok(store)) => Ok(Self { store, timeout }),
            Ok(Err(error)) => Err(Failure::of_connecting(&error)),
            Err(elapsed) => Err(StoreError::new(StoreErrorKind::TimedOut, elapsed).into()),
        }
    }

    /// As [`open`](Self::open), but sets no directory up: nobody looks after sessions that were never
    /// there, and a wrong path must not become a store.
    pub(crate) async fn open_existing(url: &str, timeout: Duration) -> Result<Self, Failure> {
        if let Some(directory) = directory(url) {
            let missing = format!("there are no sessions in the directory {}", directory.display());
            let found = std::fs::symlink_metadata(directory);
            let is_store = found.and_then(|found| {
                // Opening it tells what is wrong with it.
                if found.is_dir() { FileStore::exists(directory) } else { Ok(true) }
            });
            match is_store {
                Ok(true) => {}
                Ok(false) => {
                    let mut failure = Failure::new(Exit::Failed, missing);
                    let cause =
                        "no store was opened in it: check the path, or start the application";
                    failure.causes = vec![cause.to_owned()];
                    return Err(failure);
                }
                Err(error) => {
                    let mut failure = Failure::of(&error);
                    failure.causes = vec![std::mem::replace(&mut failure.message, missing)];
                    return Err(failure);
                }
            }
        }
        if let Some(file) = database(url)
            && let Ok(false) = file.try_exists()
        {
            let mut failure =
                Failure::new(Exit::Failed, format!("there is no database {}", file.display()));
            failure.causes = vec!["check the path, or start the application".to_owned()];
            return Err(failure);
        }
        Self::open(url, timeout).await
    }

    /// The target of a copy, which is made if it is missing, but not by a dry run.
    pub(crate) async fn open_target(
        url: &str,
        timeout: Duration,
        dry_run: &DryRun,
    ) -> Result<Self, Failure> {
        let path = directory(url).or_else(|| database(url));
        let is_missing = path.is_some_and(|path| matches!(path.try_exists(), Ok(false)));
        // What is not there holds nothing, as a new store in memory does.
        let url = if dry_run.dry_run && is_missing { "memory:" } else { url };
        Self::open(url, timeout).await
    }

    /// A call with a deadline.
    pub(crate) async fn within<A>(
        &self,
        call: impl Future<Output = Result<A, StoreError>>,
    ) -> Result<A, StoreError> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(StoreError::new(StoreErrorKind::TimedOut, elapsed)),
        }
    }

    pub(crate) async fn load(&self, id: &SessionId) -> Result<Option<Loaded>, StoreError> {
        self.within(self.store.load(id)).await
    }

    pub(crate) async fn delete(&self, id: &SessionId) -> Result<bool, StoreError> {
        self.within(self.store.delete(id)).await
    }

    pub(crate) async fn page(&self, query: &Query, after: Option<Cursor>) -> Result<Page, Failure> {
        let query = query.clone().after(after);
        Ok(self.within(self.index()?.list(&query)).await?)
    }

    pub(crate) async fn stats(&self, layer: Option<&str>) -> Result<Stats, Failure> {
        let layer = layer.map(Into::into);
        Ok(self.within(self.index()?.stats(layer.as_ref())).await?)
    }

    fn index(&self) -> Result<&dyn Index, Failure> {
        self.store.index().ok_or_else(|| Failure::unsupported("list its sessions: it has no index"))
    }

    /// The id that is given whole or by its beginning.
    pub(crate) async fn find(&self, given: &str) -> Result<SessionId, Failure> {
        let given = given.trim().to_ascii_lowercase();
        if let Ok(id) = given.parse() {
            return Ok(id);
        }
        // What was given is not shown: it may be a token.
        if !(MIN_DIGITS..64).contains(&given.len()) || !given.bytes().all(|b| b.is_ascii_hexdigit())
        {
            return Err(Failure::new(
                Exit::Usage,
                "that is no session id: give its 64 hexadecimal digits, or the first four or more",
            ));
        }
        let query = Query::all().with_limit(PAGE);
        let (mut found, mut next) = (None, None);
        loop {
            let page = self.page(&query, next).await?;
            for listed in page.sessions {
                if !listed.id.to_string().starts_with(&given) || found == Some(listed.id) {
                    continue;
                }
                if found.replace(listed.id).is_some() {
                    return Err(Failure::new(
                        Exit::NotFound,
                        format!("several ids begin with {given}: give more digits"),
                    ));
                }
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        found.ok_or_else(|| not_found(&given))
    }
}

/// Whether two URLs name one store, by the same words or as two paths of one directory.
pub(crate) fn is_one(url: &str, other: &str) -> bool {
    let real = |url| directory(url).or_else(|| database(url))?.canonicalize().ok();
    url == other || real(url).is_some_and(|directory| real(other) == Some(directory))
}

/// The directory that a URL names, if it names one.
fn directory(url: &str) -> Option<&Path> {
    let path = url.strip_prefix("file:").filter(|path| !path.is_empty())?;
    let absolute = path.strip_prefix("//").filter(|path| path.starts_with('/'));
    Some(Path::new(absolute.unwrap_or(path)))
}

/// The file of the database that a URL names, if it names one.
fn database(url: &str) -> Option<&Path> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    (path != ":memory:" && !path.is_empty()).then(|| Path::new(path))
}

/// Does long work until it is done or the user interrupts it.
pub(crate) async fn unless_interrupted<A>(
    work: impl Future<Output = Result<A, Failure>>,
) -> Result<A, Failure> {
    let work = pin!(work);
    let interrupt = pin!(tokio::signal::ctrl_c());
    match select(work, interrupt).await {
        Either::Left((done, _)) => done,
        Either::Right((Ok(()), _)) => {
            Err(Failure::new(Exit::Interrupted, "interrupted: run it again to go on"))
        }
        Either::Right((Err(error), _)) => Err(error.into()),
    }
}

/// No live session has the id.
pub(crate) fn not_found(id: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("there is no live session {id}"))
}
