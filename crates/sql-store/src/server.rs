//! What the operations do on a server, whatever its driver: [`create`], [`apply`], [`rotate`].

use tower_keep_core::{
    Applied, Change, Created, Lifetime, Loaded, NewRecord, Receipt, Rotated, SessionId, StoreError,
    StoreErrorKind, UserId, UserLimit,
};

use crate::{
    gather::Question,
    row::{Sealed, Swap},
};

/// So often at most a change is laid over what others wrote meanwhile, before the caller is told.
pub(crate) const ATTEMPTS: usize = 3;

/// The statements of a server.
pub(crate) trait Server: Sync {
    /// Reads a live row.
    fn load(
        &self,
        id: &SessionId,
    ) -> impl Future<Output = Result<Option<Loaded>, StoreError>> + Send;

    /// Inserts a row, if no other has the id, not even an expired one.
    fn insert(
        &self,
        id: &SessionId,
        new: &NewRecord,
    ) -> impl Future<Output = Result<Inserted, StoreError>> + Send;

    /// Writes a change to the row that it was computed from, and moves that to another id if there is
    /// one.
    fn swap(
        &self,
        ids: Ids<'_>,
        change: &Change,
        swap: Swap,
    ) -> impl Future<Output = Result<Moved, StoreError>> + Send;

    /// Removes a row that has expired.
    fn clear_expired(&self, id: &SessionId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Runs a transaction beside which no other of the same user's runs.
    fn sign_in(
        &self,
        sign_in: &SignIn<'_>,
    ) -> impl Future<Output = Result<Outcome, StoreError>> + Send;
}

/// The row that a change is written to, and the id that it gets if it is another one.
#[derive(Clone, Copy)]
pub(crate) struct Ids<'a> {
    pub(crate) from: &'a SessionId,
    pub(crate) to: Option<&'a SessionId>,
}

/// What became of a new row.
pub(crate) enum Inserted {
    Done(Receipt),
    /// The id is another row's.
    Taken,
}

/// What became of a change.
pub(crate) enum Moved {
    /// It is written.
    Done(Receipt),
    /// There is no such row, or it is not what the change was computed from.
    Differs,
    /// The new id is another row's.
    Taken,
}

/// A sign-in that counts the user's sessions.
pub(crate) struct SignIn<'a> {
    /// The id that the session gets.
    pub(crate) id: &'a SessionId,
    pub(crate) user: &'a UserId,
    pub(crate) limit: UserLimit,
    pub(crate) work: Work<'a>,
}

pub(crate) enum Work<'a> {
    Create(New),
    Move(&'a SessionId, &'a Change, Swap),
}

/// What a sign-in came to.
pub(crate) enum Outcome {
    Done(Receipt),
    Differs,
    Taken,
    OverLimit,
}

/// A session to be made.
#[derive(Clone, Debug)]
pub(crate) struct New {
    pub(crate) id: SessionId,
    pub(crate) record: NewRecord,
    pub(crate) sealed: Sealed,
}

impl New {
    pub(crate) fn of(id: &SessionId, record: &NewRecord) -> Result<Self, StoreError> {
        let sealed = Sealed::new(id, &record.fields)?;
        Ok(Self { id: *id, record: record.clone(), sealed })
    }
}

impl Question for New {
    fn bytes(&self) -> usize {
        self.sealed.data.len()
    }
}

/// A change of fields alone, as most are.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub(crate) id: SessionId,
    pub(crate) lifetime: Lifetime,
    pub(crate) swap: Swap,
}

impl Update {
    /// Whether a change is one of fields alone.
    pub(crate) fn is(change: &Change) -> bool {
        !change.restart && change.user.is_none() && change.remember.is_none()
    }
}

impl Question for Update {
    fn bytes(&self) -> usize {
        self.swap.after.data.len()
    }

    fn joins(&self, others: &[Self]) -> bool {
        others.iter().all(|other| other.id != self.id && other.lifetime == self.lifetime)
    }
}

pub(crate) async fn create(
    server: &impl Server,
    id: &SessionId,
    new: &NewRecord,
) -> Result<Created, StoreError> {
    if let (Some(user), Some(limit)) = (&new.user, new.user_limit) {
        let sign_in = SignIn { id, user, limit, work: Work::Create(New::of(id, new)?) };
        return Ok(match signed_in(server, &sign_in).await? {
            Outcome::Done(receipt) => Created::Created(receipt),
            Outcome::Differs | Outcome::Taken => Created::Taken,
            Outcome::OverLimit => Created::OverLimit,
        });
    }
    for _ in 0..ATTEMPTS {
        match server.insert(id, new).await? {
            Inserted::Done(receipt) => return Ok(Created::Created(receipt)),
            Inserted::Taken if make_free(server, id).await? => {}
            Inserted::Taken => return Ok(Created::Taken),
        }
    }
    Err(never_at_rest())
}

pub(crate) async fn apply(
    server: &impl Server,
    id: &SessionId,
    change: &Change,
) -> Result<Applied, StoreError> {
    let mut swap = Swap::of_base(change, id, id)?;
    let mut attempt = 1;
    loop {
        if let Moved::Done(receipt) = server.swap(Ids { from: id, to: None }, change, swap).await? {
            return Ok(Applied::Applied(receipt));
        }
        // Only where the row was not what the change was computed from.
        let Some(fresh) = server.load(id).await? else {
            return Ok(Applied::Gone);
        };
        if attempt == ATTEMPTS || !change.fits(fresh.record.version) {
            return Ok(Applied::Conflict(fresh));
        }
        swap = Swap::of_fresh(change, &fresh.record, id, id)?;
        attempt += 1;
    }
}

pub(crate) async fn rotate(
    server: &impl Server,
    old: &SessionId,
    new: &SessionId,
    change: &Change,
) -> Result<Rotated, StoreError> {
    let mut swap = Swap::of_base(change, old, new)?;
    for _ in 0..=ATTEMPTS {
        let moved = match (&change.user, change.user_limit) {
            (Some(user), Some(limit)) => {
                let sign_in = SignIn { id: new, user, limit, work: Work::Move(old, change, swap) };
                signed_in(server, &sign_in).await?
            }
            _ => match server.swap(Ids { from: old, to: Some(new) }, change, swap.clone()).await? {
                Moved::Done(receipt) => Outcome::Done(receipt),
                Moved::Taken if make_free(server, new).await? => continue,
                Moved::Taken => Outcome::Taken,
                Moved::Differs => Outcome::Differs,
            },
        };
        match moved {
            Outcome::Done(receipt) => return Ok(Rotated::Rotated(receipt)),
            Outcome::OverLimit => return Ok(Rotated::OverLimit),
            Outcome::Taken => return Ok(Rotated::Taken),
            Outcome::Differs => {}
        }
        match server.load(old).await? {
            None => return Ok(Rotated::Gone),
            Some(fresh) if fresh.record.version != change.base_version => {
                return Ok(Rotated::Conflict(fresh));
            }
            Some(fresh) => swap = Swap::of_fresh(change, &fresh.record, old, new)?,
        }
    }
    Err(never_at_rest())
}

/// Runs a sign-in, once more if an expired row had the id.
async fn signed_in(server: &impl Server, sign_in: &SignIn<'_>) -> Result<Outcome, StoreError> {
    match server.sign_in(sign_in).await? {
        Outcome::Taken if make_free(server, sign_in.id).await? => server.sign_in(sign_in).await,
        outcome => Ok(outcome),
    }
}

/// Removes what has expired under an id, and tells whether it is free. Under a random id lies nothing,
/// unless it was chosen.
pub(crate) async fn make_free(server: &impl Server, id: &SessionId) -> Result<bool, StoreError> {
    server.clear_expired(id).await?;
    Ok(server.load(id).await?.is_none())
}

/// Others write to a row faster than a change can be laid over it.
fn never_at_rest() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "others write to this session without a pause")
}

/// Waits a little longer each time, and not as long as others that failed at the same time.
pub(crate) async fn pause(attempt: u32) {
    let jitter = std::collections::hash_map::RandomState::new();
    let random = std::hash::BuildHasher::hash_one(&jitter, attempt) % 1_000;
    let longest = std::time::Duration::from_millis(2) * (1 << attempt.min(6));
    tokio::time::sleep(longest * u32::try_from(random).unwrap_or(0) / 1_000).await;
}
