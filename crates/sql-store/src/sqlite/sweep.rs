//! Removes expired sessions, or all of them.

use rusqlite::{Connection, params};
use tower_keep_core::{Purged, StoreError, Swept, Timestamp};

use super::{error::failed, statements::Statements};

/// So many sessions are swept in one transaction at most: about ten milliseconds, in which other
/// writes wait.
const MOST_SWEPT: usize = 1_000;

/// So many sessions are purged in one transaction.
pub(super) const MOST_PURGED: usize = 5_000;

impl Statements {
    pub(super) fn sweep(
        &self,
        connection: &Connection,
        limit: usize,
        now: Timestamp,
    ) -> Result<Swept, StoreError> {
        let most = limit.min(MOST_SWEPT);
        let removed = connection.prepare_cached(&self.sweep).and_then(|mut statement| {
            statement.execute(params![now.as_millis(), i64::try_from(most).unwrap_or(i64::MAX)])
        });
        let removed = removed.map_err(failed)?;
        let sessions = u64::try_from(removed).unwrap_or(u64::MAX);
        Ok(Swept::Removed { sessions, more: removed == most && most > 0 })
    }

    /// Removes some of all sessions.
    pub(super) fn purge(&self, connection: &Connection) -> Result<Purged, StoreError> {
        let purged = connection.prepare_cached(&self.purge).and_then(|mut statement| {
            let most = i64::try_from(MOST_PURGED).unwrap_or(i64::MAX);
            let mut rows = statement.query([most])?;
            let mut purged = Purged::default();
            while let Some(row) = rows.next()? {
                purged.sessions += 1;
                purged.bytes += row.get::<_, u64>(0)?;
            }
            Ok(purged)
        });
        purged.map_err(failed)
    }
}
