//! Sign-ins of users who may have so many sessions: a transaction under a lock of the user's.

use sqlx::Row as _;
use tower_keep_core::{
    Change, Created, NewRecord, Receipt, Rotated, SessionId, StoreError, StoreErrorKind, UserId,
    UserLimit,
};
use twox_hash::XxHash3_64;

use super::{
    error::{failed, is_transient, leaves_connection_whole},
    keep::Keep,
    pool::{Link, Written, pause},
    statements::Statements,
    values::id as id_of,
    write::{Moved, created, insert, moved, never_at_rest, swapping},
};
use crate::{
    limit::Room,
    row::{ATTEMPTS, Sealed, Swap},
};

/// So often a transaction is tried that the server rolled back for the sake of another one.
const TRANSACTIONS: u32 = 8;

/// So many seconds a sign-in waits for others of the same user.
const PATIENCE: i32 = 10;

/// A sign-in that counts the user's sessions.
struct SignIn<'a> {
    /// The id that the session gets.
    id: &'a SessionId,
    user: &'a UserId,
    limit: UserLimit,
    work: Work<'a>,
}

enum Work<'a> {
    Create(&'a NewRecord, Sealed),
    Move(&'a SessionId, &'a Change, Swap),
}

/// What a sign-in came to.
enum Outcome {
    Done(Receipt),
    Differs,
    Taken,
    OverLimit,
}

impl Keep {
    pub(super) async fn create_limited(
        &self,
        id: &SessionId,
        new: &NewRecord,
        user: &UserId,
        limit: UserLimit,
    ) -> Result<Created, StoreError> {
        let work = Work::Create(new, Sealed::new(id, &new.fields)?);
        Ok(match self.sign_in(&SignIn { id, user, limit, work }).await? {
            Outcome::Done(receipt) => Created::Created(receipt),
            Outcome::Differs | Outcome::Taken => Created::Taken,
            Outcome::OverLimit => Created::OverLimit,
        })
    }

    pub(super) async fn rotate_limited(
        &self,
        old: &SessionId,
        new: &SessionId,
        change: &Change,
        user: &UserId,
        limit: UserLimit,
    ) -> Result<Rotated, StoreError> {
        let mut swap = Swap::of_base(change, old, new)?;
        for _ in 0..=ATTEMPTS {
            let sign_in = SignIn { id: new, user, limit, work: Work::Move(old, change, swap) };
            match self.sign_in(&sign_in).await? {
                Outcome::Done(receipt) => return Ok(Rotated::Rotated(receipt)),
                Outcome::OverLimit => return Ok(Rotated::OverLimit),
                Outcome::Taken => return Ok(Rotated::Taken),
                Outcome::Differs => {}
            }
            match self.load(old).await? {
                None => return Ok(Rotated::Gone),
                Some(fresh) if fresh.record.version != change.base_version => {
                    return Ok(Rotated::Conflict(fresh));
                }
                Some(fresh) => swap = Swap::of_fresh(change, &fresh.record, old, new)?,
            }
        }
        Err(never_at_rest())
    }

    /// Runs a sign-in, beside which no other of the same user's runs.
    async fn sign_in(&self, sign_in: &SignIn<'_>) -> Result<Outcome, StoreError> {
        let mut cleared = false;
        let mut attempt = 1;
        loop {
            let mut link = self.pool.take().await?;
            match sign_in.transact(&mut link, &self.statements).await {
                Ok(outcome) => {
                    self.pool.give_back(link);
                    match outcome {
                        Some(Outcome::Taken) if !cleared && self.make_free(sign_in.id).await? => {
                            cleared = true;
                        }
                        Some(outcome) => return Ok(outcome),
                        None => {
                            let cause = "other sign-ins of this user did not come to an end";
                            return Err(StoreError::new(StoreErrorKind::TimedOut, cause));
                        }
                    }
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

impl SignIn<'_> {
    /// `None` if others of the same user did not come to an end.
    async fn transact(
        &self,
        link: &mut Link,
        statements: &Statements,
    ) -> Result<Option<Outcome>, sqlx::Error> {
        // Users of two layers or tables may share a lock, which costs them a moment.
        let name = format!("tower-keep {:x}", XxHash3_64::oneshot(self.user.as_str().as_bytes()));
        if !lock(link, &name, PATIENCE).await? {
            return Ok(None);
        }
        link.batch("START TRANSACTION").await?;
        let outcome = self.run(link, statements).await?;
        link.batch(match outcome {
            Outcome::Done(_) => "COMMIT",
            _ => "ROLLBACK",
        })
        .await?;
        unlock(link, &name).await?;
        Ok(Some(outcome))
    }

    async fn run(&self, link: &mut Link, statements: &Statements) -> Result<Outcome, sqlx::Error> {
        let mut receipt = match &self.work {
            Work::Create(new, sealed) => {
                match link.write(insert(statements, self.id, new, sealed)).await? {
                    Written::Rows(done) => created(new, &done),
                    Written::Taken => return Ok(Outcome::Taken),
                }
            }
            Work::Move(old, change, swap) => {
                let asked = swapping(statements, (old, Some(self.id)), change, swap);
                match moved(change, swap, &link.write(asked).await?) {
                    Moved::Done(receipt) => receipt,
                    Moved::Differs => return Ok(Outcome::Differs),
                    Moved::Taken => return Ok(Outcome::Taken),
                }
            }
        };
        let id = self.id.as_bytes().as_slice();
        let user = self.user.as_str().as_bytes();
        let others = sqlx::query(&statements.others).bind(user).bind(id).bind(id);
        let others = link.read(others).await?;
        let Room::After(evicted) = Room::beside(others.len(), self.limit) else {
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
