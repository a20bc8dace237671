//! Sign-ins of users who may have so many sessions: a transaction under a lock of the user's.

use tokio_postgres::types::ToSql;
use tower_keep_core::{
    Change, Created, NewRecord, Receipt, Rotated, SessionId, StoreError, StoreErrorKind, UserId,
    UserLimit,
};
use twox_hash::XxHash3_64;

use super::{
    error::{failed, is_taken, is_transient},
    keep::Keep,
    lanes::{Answer, pause},
    link::Link,
    statements::Which,
    write::{Moved, Run, insert, never_at_rest, write},
};
use crate::{
    data::escape_text,
    limit::Room,
    row::{ATTEMPTS, Swap},
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

/// A sign-in that counts the user's sessions.
struct SignIn<'a> {
    /// The id that the session gets.
    id: &'a SessionId,
    user: &'a UserId,
    limit: UserLimit,
    work: Work<'a>,
}

enum Work<'a> {
    Create(&'a NewRecord),
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
        let sign_in = SignIn { id, user, limit, work: Work::Create(new) };
        Ok(match self.sign_in(&sign_in).await? {
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
            let link = self.exclusive.take().await?;
            match sign_in.transact(&link).await {
                Ok(Outcome::Taken) => {
                    link.give_back();
                    if cleared || !self.make_free(sign_in.id).await? {
                        return Ok(Outcome::Taken);
                    }
                    cleared = true;
                }
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

impl SignIn<'_> {
    async fn transact(&self, link: &Link) -> Result<Outcome, StoreError> {
        // Users of two layers or tables may share a lock, which costs them a moment.
        let key = XxHash3_64::oneshot(self.user.as_str().as_bytes()).cast_signed();
        let begin =
            format!("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({key})");
        link.batch(&begin).await?;
        let outcome = self.run(link).await?;
        let end = if matches!(outcome, Outcome::Done(_)) { "COMMIT" } else { "ROLLBACK" };
        link.batch(end).await?;
        Ok(outcome)
    }

    async fn run(&self, link: &Link) -> Result<Outcome, StoreError> {
        let mut receipt = match &self.work {
            Work::Create(new) => match insert(link, self.id, new).await? {
                Created::Created(receipt) => receipt,
                _ => return Ok(Outcome::Taken),
            },
            Work::Move(old, change, swap) => {
                match write(link, (old, Some(self.id)), change, swap).await? {
                    Moved::Done(receipt) => receipt,
                    Moved::Differs => return Ok(Outcome::Differs),
                    Moved::Taken => return Ok(Outcome::Taken),
                }
            }
        };
        Ok(match link.make_room(self.id, self.user, self.limit).await? {
            Some(evicted) => {
                receipt.evicted = evicted;
                Outcome::Done(receipt)
            }
            None => Outcome::OverLimit,
        })
    }
}
