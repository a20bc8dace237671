//! Removes expired sessions, or all of them.

use tower_keep_core::{Purged, StoreError, Swept};

use super::{error::failed, keep::Keep, link::Link, statements::Which};

/// So many sessions are swept by one statement at most: a few milliseconds of the server's.
const MOST_SWEPT: usize = 500;

/// So many sessions are purged by one statement.
const MOST_PURGED: u32 = 5_000;

impl Keep {
    pub(super) async fn sweep(&self, limit: usize) -> Result<Swept, StoreError> {
        let most = limit.min(MOST_SWEPT);
        let link = self.exclusive.take().await?;
        let rows = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = link.rows(Which::Sweep, &[&rows]).await.map_err(failed)?;
        link.give_back();
        let Some(row) = rows.first() else { return Ok(Swept::Busy) };
        if !row.try_get::<_, bool>(0).map_err(failed)? {
            return Ok(Swept::Busy);
        }
        let sessions = row.try_get::<_, i64>(1).map_err(failed)?.cast_unsigned();
        let full = usize::try_from(sessions).is_ok_and(|sessions| sessions == most);
        Ok(Swept::Removed { sessions, more: full && most > 0 })
    }

    pub(super) async fn purge(&self) -> Result<Purged, StoreError> {
        let link = self.exclusive.take().await?;
        let mut purged = Purged::default();
        loop {
            let step = purge(&link, Which::PurgeSome).await?;
            purged.sessions += step.sessions;
            purged.bytes += step.bytes;
            if step.sessions < u64::from(MOST_PURGED) {
                break;
            }
        }
        // One that was rotated meanwhile escapes a statement that looks for its id, and not this one.
        let rest = purge(&link, Which::PurgeRest).await?;
        purged.sessions += rest.sessions;
        purged.bytes += rest.bytes;
        link.give_back();
        Ok(purged)
    }
}

async fn purge(link: &Link, which: Which) -> Result<Purged, StoreError> {
    let most = i64::from(MOST_PURGED);
    let rows = match which {
        Which::PurgeSome => link.rows(which, &[&most]).await,
        _ => link.rows(which, &[]).await,
    };
    let rows = rows.map_err(failed)?;
    let Some(row) = rows.first() else { return Ok(Purged::default()) };
    let count = |column| row.try_get::<_, i64>(column).map(i64::cast_unsigned).map_err(failed);
    Ok(Purged { sessions: count(0)?, bytes: count(1)? })
}
