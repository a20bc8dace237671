//! Sign-ins of users who may have so many sessions: a transaction under a lock of the user's.

use tokio_postgres::types::ToSql;
use tower_keep_core::{SessionId, StoreError, StoreErrorKind, UserId, UserLimit};
use twox_hash::XxHash3_64;

use super::{
    error::{failed, is_taken, is_transient},
    keep::Keep,
    lanes::Answer,
    link::Link,
    statements::Which,
    together::{insert, inserted},
    write::{Run, write},
};
use crate::{
    data::escape_text,
    limit::Room,
    server::{Ids, Inserted, Moved, Outcome, SignIn, Work, pause},
};

/// So often a transaction is tried that the server rolled back for the sake of another one.
const TRANSACTIONS: u32 = 8;

impl Run for Link {
    async fn run(
        &self,
        which: Which,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Answer, StoreError> {
        match self.rows(which, values).await {
            Ok(rows) => Ok(Answer::Rows(rows)),
            Err(error) if is_taken(&error) => Ok(Answer::Taken),
            // Told apart by its kind, which no other error of a statement has.
            Err(error) if is_transient(&error) => {
                Err(StoreError::new(StoreErrorKind::TimedOut, RolledBack))
            }
            Err(error) => Err(failed(error)),
        }
    }
}

/// The server rolled a transaction back for the sake of another one.
#[derive(Debug)]
struct RolledBack;

impl std::fmt::Display for RolledBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "PostgreSQL rolled the transaction back again and again: look for what locks the table",
        )
    }
}

impl std::error::Error for RolledBack {}

fn is_rolled_back(error: &StoreError) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<RolledBack>())
}

impl Link {
    /// Makes room for a session of a user beside the others; tells how many had to go, `None` if it
    /// has no room.
    async fn make_room(
        &self,
        id: &SessionId,
        user: &UserId,
        limit: UserLimit,
    ) -> Result<Option<u32>, StoreError> {
        let user = escape_text(user.as_str());
        let values: &[&(dyn ToSql + Sync)] = &[&user, &id.as_bytes().as_slice()];
        let Answer::Rows(others) = self.run(Which::Others, values).await? else {
            return Ok(None);
        };
        let Room::After(evicted) = Room::beside(others.len(), limit) else {
            return Ok(None);
        };
        for other in &others[..evicted] {
            let other: &[u8] = other.try_get(0).map_err(failed)?;
            self.run(Which::Delete, &[&other]).await?;
        }
        Ok(Some(u32::try_from(evicted).unwrap_or(u32::MAX)))
    }
}

impl Keep {
    /// Runs a sign-in, beside which no other of the same user's runs.
    pub(super) async fn transact(&self, sign_in: &SignIn<'_>) -> Result<Outcome, StoreError> {
        let mut attempt = 1;
        loop {
            let link = self.exclusive.take().await?;
            match transact(&link, sign_in).await {
                Ok(outcome) => {
                    link.give_back();
                    return Ok(outcome);
                }
                Err(error) if is_rolled_back(&error) && attempt < TRANSACTIONS => {
                    // Closed, which ends what is left of the transaction.
                    drop(link);
                    pause(attempt).await;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

async fn transact(link: &Link, sign_in: &SignIn<'_>) -> Result<Outcome, StoreError> {
    // Users of two layers or tables may share a lock, which costs them a moment.
    let key = XxHash3_64::oneshot(sign_in.user.as_str().as_bytes()).cast_signed();
    let begin =
        format!("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({key})");
    link.batch(&begin).await?;
    let outcome = work(link, sign_in).await?;
    let end = if matches!(outcome, Outcome::Done(_)) { "COMMIT" } else { "ROLLBACK" };
    link.batch(end).await?;
    Ok(outcome)
}

async fn work(link: &Link, sign_in: &SignIn<'_>) -> Result<Outcome, StoreError> {
    let mut receipt = match &sign_in.work {
        Work::Create(new) => match insert(link, std::slice::from_ref(new)).await? {
            Answer::Rows(rows) => match inserted(&rows, sign_in.id)? {
                Inserted::Done(receipt) => receipt,
                Inserted::Taken => return Ok(Outcome::Taken),
            },
            Answer::Taken => return Ok(Outcome::Taken),
        },
        Work::Move(old, change, swap) => {
            let ids = Ids { from: old, to: Some(sign_in.id) };
            match write(link, ids, change, swap).await? {
                Moved::Done(receipt) => receipt,
                Moved::Differs => return Ok(Outcome::Differs),
                Moved::Taken => return Ok(Outcome::Taken),
            }
        }
    };
    Ok(match link.make_room(sign_in.id, sign_in.user, sign_in.limit).await? {
        Some(evicted) => {
            receipt.evicted = evicted;
            Outcome::Done(receipt)
        }
        None => Outcome::OverLimit,
    })
}
