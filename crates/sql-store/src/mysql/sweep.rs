//! Removes expired sessions, or all of them.

use sqlx::{Row as _, mysql::MySqlRow};
use tower_keep_core::{Purged, StoreError, Swept};

use super::{
    error::{failed, is_transient, leaves_connection_whole},
    keep::Keep,
    limited::{lock, unlock},
    pool::{Asked, Link, Written},
};
use crate::server::pause;

/// So many sessions are swept in one transaction at most: about a millisecond of the server's.
const MOST_SWEPT: usize = 50;

/// So many sessions are purged in one transaction.
const MOST_PURGED: usize = 1_000;

/// So often a transaction is tried that the server rolled back for the sake of another one.
const ATTEMPTS: u32 = 8;

impl Keep {
    pub(super) async fn sweep(&self, limit: usize) -> Result<Swept, StoreError> {
        let most = limit.min(MOST_SWEPT);
        let mut attempt = 1;
        loop {
            let mut link = self.pool.take().await?;
            match self.sweep_on(&mut link, most).await {
                Ok(swept) => {
                    self.pool.give_back(link);
                    return Ok(swept);
                }
                Err(error) if is_transient(&error) && attempt < ATTEMPTS => {
                    drop(link);
                    pause(attempt).await;
                    attempt += 1;
                }
                Err(error) => {
                    if !leaves_connection_whole(&error) {
                        self.pool.broken(link);
                    }
                    return Err(failed(error));
                }
            }
        }
    }

    async fn sweep_on(&self, link: &mut Link, most: usize) -> Result<Swept, sqlx::Error> {
        let name = &self.statements.sweep_lock;
        if !lock(link, name, 0).await? {
            return Ok(Swept::Busy);
        }
        link.batch("START TRANSACTION").await?;
        let rows = i64::try_from(most).unwrap_or(i64::MAX);
        let expired = link.read(sqlx::query(&self.statements.expired).bind(rows)).await?;
        let sessions = self.remove(link, &expired).await?;
        link.batch("COMMIT").await?;
        unlock(link, name).await?;
        Ok(Swept::Removed { sessions, more: expired.len() == most && most > 0 })
    }

    /// Removes the rows of some ids, which are locked.
    async fn remove(&self, link: &mut Link, rows: &[MySqlRow]) -> Result<u64, sqlx::Error> {
        let Some(others) = rows.len().checked_sub(1) else { return Ok(0) };
        let mut text = self.statements.remove.clone();
        text.push_str(&", ?".repeat(others));
        text.push(')');
        // Of as many texts as there are sizes of batches, none is worth keeping.
        let mut asked: Asked<'_> = sqlx::query(&text).persistent(false);
        for row in rows {
            asked = asked.bind(row.try_get_unchecked::<&[u8], _>(0)?);
        }
        match link.write(asked).await? {
            Written::Rows(done) => Ok(done.rows_affected()),
            Written::Taken => Ok(0),
        }
    }

    pub(super) async fn purge(&self) -> Result<Purged, StoreError> {
        let mut purged = Purged::default();
        let mut attempt = 0;
        let mut last = false;
        loop {
            let mut link = self.pool.take().await?;
            match self.purge_on(&mut link, last).await {
                Ok(step) => {
                    self.pool.give_back(link);
                    purged.sessions += step.sessions;
                    purged.bytes += step.bytes;
                    if last && step.sessions == 0 {
                        return Ok(purged);
                    }
                    last = step.sessions == 0;
                }
                Err(error) if is_transient(&error) && attempt < ATTEMPTS => {
                    drop(link);
                    attempt += 1;
                    pause(attempt).await;
                }
                Err(error) => {
                    if !leaves_connection_whole(&error) {
                        self.pool.broken(link);
                    }
                    return Err(failed(error));
                }
            }
        }
    }

    /// Removes some of all sessions, or what is left of them.
    async fn purge_on(&self, link: &mut Link, last: bool) -> Result<Purged, sqlx::Error> {
        let rows = if last {
            // Locks what it has looked at against insertions, so that no session that is rotated
            // slips from what is still to be looked at into what was.
            link.batch("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; START TRANSACTION").await?;
            link.read(sqlx::query(&self.statements.all)).await?
        } else {
            link.batch("START TRANSACTION").await?;
            let most = i64::try_from(MOST_PURGED).unwrap_or(i64::MAX);
            link.read(sqlx::query(&self.statements.some).bind(most)).await?
        };
        let mut purged = Purged::default();
        for batch in rows.chunks(MOST_PURGED) {
            purged.sessions += self.remove(link, batch).await?;
        }
        for row in &rows {
            purged.bytes += row.try_get::<i64, _>(1)?.cast_unsigned();
        }
        link.batch("COMMIT").await?;
        Ok(purged)
    }
}
