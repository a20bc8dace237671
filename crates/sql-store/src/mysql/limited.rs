//! Sign-ins of users who may have so many sessions: a transaction under a lock of the user's.

use sqlx::Row as _;
use tower_keep_core::{StoreError, StoreErrorKind};
use twox_hash::XxHash3_64;

use super::{
    error::{failed, is_transient, leaves_connection_whole},
    keep::Keep,
    pool::{Link, Written},
    statements::Statements,
    values::id as id_of,
    write::{created, fill, moved, swapping},
};
use crate::{
    limit::Room,
    server::{Ids, Moved, Outcome, SignIn, Work, pause},
};

/// So often a transaction is tried that the server rolled back for the sake of another one.
const TRANSACTIONS: u32 = 8;

/// So many seconds a sign-in waits for others of the same user.
const PATIENCE: i32 = 10;

impl Keep {
    /// Runs a sign-in, beside which no other of the same user's runs.
    pub(super) async fn transact(&self, sign_in: &SignIn<'_>) -> Result<Outcome, StoreError> {
        let mut attempt = 1;
        loop {
            let mut link = self.pool.take().await?;
            match transact(&mut link, &self.statements, sign_in).await {
                Ok(outcome) => {
                    self.pool.give_back(link);
                    return outcome.ok_or_else(|| {
                        let cause = "other sign-ins of this user did not come to an end";
                        StoreError::new(StoreErrorKind::TimedOut, cause)
                    });
                }
                Err(error) if is_transient(&error) && attempt < TRANSACTIONS => {
                    // Closed, which ends what is left of the transaction, and its lock.
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
}

/// `None` if others of the same user did not come to an end.
async fn transact(
    link: &mut Link,
    statements: &Statements,
    sign_in: &SignIn<'_>,
) -> Result<Option<Outcome>, sqlx::Error> {
    // Users of two layers or tables may share a lock, which costs them a moment.
    let name = format!("tower-keep {:x}", XxHash3_64::oneshot(sign_in.user.as_str().as_bytes()));
    if !lock(link, &name, PATIENCE).await? {
        return Ok(None);
    }
    link.batch("START TRANSACTION").await?;
    let outcome = work(link, statements, sign_in).await?;
    link.batch(match outcome {
        Outcome::Done(_) => "COMMIT",
        _ => "ROLLBACK",
    })
    .await?;
    unlock(link, &name).await?;
    Ok(Some(outcome))
}

async fn work(
    link: &mut Link,
    statements: &Statements,
    sign_in: &SignIn<'_>,
) -> Result<Outcome, sqlx::Error> {
    let mut receipt = match &sign_in.work {
        Work::Move(old, change, swap) => {
            let ids = Ids { from: old, to: Some(sign_in.id) };
            let asked = swapping(statements, ids, change, swap);
            match moved(change, swap, &link.write(asked).await?) {
                Moved::Done(receipt) => receipt,
                Moved::Differs => return Ok(Outcome::Differs),
                Moved::Taken => return Ok(Outcome::Taken),
            }
        }
        Work::Create(new) => {
            let (text, _) = statements.create.for_at_least(1);
            match link.write(fill(sqlx::query(text), new)).await? {
                Written::Rows(done) => created(&new.record, &done),
                Written::Taken => return Ok(Outcome::Taken),
            }
        }
    };
    let id = sign_in.id.as_bytes().as_slice();
    let user = sign_in.user.as_str().as_bytes();
    let others = sqlx::query(&statements.others).bind(user).bind(id).bind(id);
    let others = link.read(others).await?;
    let Room::After(evicted) = Room::beside(others.len(), sign_in.limit) else {
        return Ok(Outcome::OverLimit);
    };
    for other in &others[..evicted] {
        if let Ok(other) = id_of(other, 0) {
            let other = other.as_bytes().as_slice();
            link.write(sqlx::query(&statements.delete).bind(other)).await?;
        }
    }
    receipt.evicted = u32::try_from(evicted).unwrap_or(u32::MAX);
    Ok(Outcome::Done(receipt))
}

/// Takes a lock of the server's that ends with the connection; tells whether it was given in time.
pub(super) async fn lock(link: &mut Link, name: &str, seconds: i32) -> Result<bool, sqlx::Error> {
    let rows = link.read(sqlx::query("SELECT GET_LOCK(?, ?)").bind(name).bind(seconds)).await?;
    let given: Option<i64> = rows.first().map_or(Ok(None), |row| row.try_get(0))?;
    Ok(given == Some(1))
}

pub(super) async fn unlock(link: &mut Link, name: &str) -> Result<(), sqlx::Error> {
    link.read(sqlx::query("SELECT RELEASE_LOCK(?)").bind(name)).await.map(drop)
}
