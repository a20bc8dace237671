//! Removes every session before the server listens: [`on_startup`].

use std::{error::Error as StdError, ffi::OsString};

use tower_keep_core::{Purged, Store};

use crate::{PurgeError, Size, environment};

/// Says whether sessions are purged at startup.
const SWITCH: &str = "PURGE_SESSIONS_ON_STARTUP";

/// Removes every session of a store if `PURGE_SESSIONS_ON_STARTUP` says so, which it does unless it
/// is set to false. Gives what was removed; `None` if the sessions were kept.
///
/// Call it before the server listens. The variable is `true`, `1`, `yes` or `on`, or `false`, `0`,
/// `no` or `off`, in any case. Anything else, the empty text too, is an error, and nothing is removed.
///
/// It logs the store, how many sessions were removed and how many bytes that freed, or why it could
/// not remove them. Two processes that do this at once do no harm: each session is removed by one of
/// them.
///
/// # When to turn it off
///
/// - **Several instances** share the store: each start of one would sign out the users of all.
/// - **Sessions must survive** a restart or a deployment.
///
/// Then set the variable to false and let a [`Sweeper`](crate::Sweeper) remove the sessions that
/// have expired.
///
/// # Errors
///
/// [`Setting`](crate::PurgeErrorKind::Setting) and [`Unsupported`](crate::PurgeErrorKind::Unsupported)
/// before anything was removed, [`Store`](crate::PurgeErrorKind::Store) if the store failed. Each is
/// logged too, so that a caller may go on without the purge.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # use tower_keep_memory_store::MemoryStore;
/// use tower_keep_purge as purge; // in an application: use tower_keep::purge;
///
/// let store = MemoryStore::new();
/// purge::on_startup(&store).await?;
/// # Ok::<(), purge::PurgeError>(()) }).unwrap();
/// ```
pub async fn on_startup<S: Store + ?Sized>(store: &S) -> Result<Option<Purged>, PurgeError> {
    on_startup_with(store, environment::process).await
}

/// As [`on_startup`], with variables from elsewhere than the process's environment.
///
/// # Errors
///
/// As [`on_startup`].
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # use tower_keep_memory_store::MemoryStore;
/// use tower_keep_purge::on_startup_with;
///
/// let kept = on_startup_with(&MemoryStore::new(), |_| Some("no".into())).await?;
/// assert_eq!(kept, None);
/// # Ok::<(), tower_keep_purge::PurgeError>(()) }).unwrap();
/// ```
pub async fn on_startup_with<S: Store + ?Sized>(
    store: &S,
    lookup: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Purged>, PurgeError> {
    let done = match environment::boolean(&lookup, SWITCH) {
        Ok(Some(false)) => Ok(None),
        Ok(Some(true) | None) => purge(store).await.map(Some),
        Err(error) => Err(error.into()),
    };
    match &done {
        Ok(None) => tracing::info!(?store, "the sessions are kept, as {SWITCH} says"),
        Ok(Some(Purged { sessions, bytes })) => {
            let freed = Size(*bytes);
            tracing::info!(?store, sessions, bytes, "purged {sessions} sessions, {freed} freed");
        }
        Err(error) => {
            let cause = error.source();
            tracing::error!(?store, cause, "{error}");
        }
    }
    done
}

async fn purge<S: Store + ?Sized>(store: &S) -> Result<Purged, PurgeError> {
    let purge = store.purge().ok_or(PurgeError::NO_PURGE)?;
    Ok(purge.purge().await?)
}
