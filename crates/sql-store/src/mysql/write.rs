//! Creates, changes, moves, touches, deletes and imports sessions.

use sqlx::mysql::MySqlQueryResult;
use tower_keep_core::{
    Applied, Change, Client, Created, NewRecord, Receipt, Record, Rotated, SessionId, StoreError,
    StoreErrorKind, Timestamp, Touch, Touched,
};

use super::{
    keep::Keep,
    pool::{Asked, Written},
    statements::{Statements, TOUCH_EPOCH, VERSION_BITS},
    values::{bounded, millis, time},
};
use crate::row::{ATTEMPTS, Sealed, Swap, version};

impl Keep {
    pub(super) async fn create(
        &self,
        id: &SessionId,
        new: &NewRecord,
    ) -> Result<Created, StoreError> {
        if let (Some(user), Some(limit)) = (&new.user, new.user_limit) {
            return self.create_limited(id, new, user, limit).await;
        }
        let sealed = Sealed::new(id, &new.fields)?;
        for _ in 0..ATTEMPTS {
            let ask = || insert(&self.statements, id, new, &sealed);
            match self.pool.write(ask).await? {
                Written::Rows(done) => return Ok(Created::Created(created(new, &done))),
                Written::Taken if self.make_free(id).await? => {}
                Written::Taken => return Ok(Created::Taken),
            }
        }
        Err(never_at_rest())
    }

    pub(super) async fn apply(
        &self,
        id: &SessionId,
        change: &Change,
    ) -> Result<Applied, StoreError> {
        let mut swap = Swap::of_base(change, id, id)?;
        let mut attempt = 1;
        loop {
            let ask = || swapping(&self.statements, (id, None), change, &swap);
            if let Moved::Done(receipt) = moved(change, &swap, &self.pool.write(ask).await?) {
                return Ok(Applied::Applied(receipt));
            }
            // Only where the row was not what the change was computed from.
            let Some(fresh) = self.load(id).await? else {
                return Ok(Applied::Gone);
            };
            if attempt == ATTEMPTS || !change.fits(fresh.record.version) {
                return Ok(Applied::Conflict(fresh));
            }
            swap = Swap::of_fresh(change, &fresh.record, id, id)?;
            attempt += 1;
        }
    }

    pub(super) async fn rotate(
        &self,
        old: &SessionId,
        new: &SessionId,
        change: &Change,
    ) -> Result<Rotated, StoreError> {
        if let (Some(user), Some(limit)) = (&change.user, change.user_limit) {
            return self.rotate_limited(old, new, change, user, limit).await;
        }
        let mut swap = Swap::of_base(change, old, new)?;
        for _ in 0..=ATTEMPTS {
            let ask = || swapping(&self.statements, (old, Some(new)), change, &swap);
            match moved(change, &swap, &self.pool.write(ask).await?) {
                Moved::Done(receipt) => return Ok(Rotated::Rotated(receipt)),
                Moved::Taken => {
                    if !self.make_free(new).await? {
                        return Ok(Rotated::Taken);
                    }
                }
                Moved::Differs => match self.load(old).await? {
                    None => return Ok(Rotated::Gone),
                    Some(fresh) if fresh.record.version != change.base_version => {
                        return Ok(Rotated::Conflict(fresh));
                    }
                    Some(fresh) => swap = Swap::of_fresh(change, &fresh.record, old, new)?,
                },
            }
        }
        Err(never_at_rest())
    }

    /// Removes what has expired under an id, and tells whether it is free. Under a random id lies
    /// nothing, unless it was chosen.
    pub(super) async fn make_free(&self, id: &SessionId) -> Result<bool, StoreError> {
        let ask = || sqlx::query(&self.statements.clear_expired).bind(id.as_bytes().as_slice());
        self.pool.write(ask).await?;
        Ok(self.load(id).await?.is_none())
    }

    pub(super) async fn touch(&self, id: &SessionId, touch: Touch) -> Result<Touched, StoreError> {
        let lifetime = bounded(touch.lifetime);
        let ask = || {
            sqlx::query(&self.statements.touch)
                .bind(millis(lifetime.idle))
                .bind(millis(lifetime.absolute))
                .bind(id.as_bytes().as_slice())
        };
        let Written::Rows(done) = self.pool.write(ask).await? else {
            return Ok(Touched::Gone);
        };
        if done.rows_affected() == 0 {
            return Ok(Touched::Gone);
        }
        let told = done.last_insert_id();
        let at = Timestamp::from_millis((told >> VERSION_BITS).cast_signed() + TOUCH_EPOCH);
        let mut receipt = Receipt {
            version: told % (1 << VERSION_BITS),
            at,
            expires_at: lifetime.expires_at(touch.created_at, at),
            evicted: 0,
        };
        // Above that it has to be asked for: after four million changes.
        if receipt.version == (1 << VERSION_BITS) - 1
            && let Some(loaded) = self.load(id).await?
        {
            receipt.version = loaded.record.version;
        }
        Ok(Touched::Touched(receipt))
    }

    pub(super) async fn delete(&self, id: &SessionId) -> Result<bool, StoreError> {
        let ask = || sqlx::query(&self.statements.delete).bind(id.as_bytes().as_slice());
        Ok(matches!(self.pool.write(ask).await?, Written::Rows(done) if done.rows_affected() > 0))
    }

    pub(super) async fn import(
        &self,
        id: &SessionId,
        record: &Record,
    ) -> Result<Created, StoreError> {
        let sealed = Sealed::new(id, &record.fields)?;
        let receipt = Receipt::of(record, record.last_active);
        for _ in 0..ATTEMPTS {
            let ask = || {
                let client = record.client.as_ref();
                sqlx::query(&self.statements.import)
                    .bind(id.as_bytes().as_slice())
                    .bind(record.layer.as_str().as_bytes())
                    .bind(record.user.as_ref().map(|user| user.as_str().as_bytes()))
                    .bind(client.and_then(Client::address).map(|address| address.to_string()))
                    .bind(client.and_then(Client::agent))
                    .bind(record.remember)
                    .bind(&sealed.data)
                    .bind(sealed.seal)
                    .bind(version(record.version))
                    .bind(time(record.created_at))
                    .bind(time(record.last_active))
                    .bind(time(record.expires_at))
                    .bind(time(record.expires_at))
            };
            match self.pool.write(ask).await? {
                Written::Rows(done) if done.rows_affected() > 0 => {
                    return Ok(Created::Created(receipt));
                }
                // It has expired and is not stored.
                Written::Rows(_) => break,
                Written::Taken if self.make_free(id).await? => {}
                Written::Taken => break,
            }
        }
        Ok(match self.load(id).await? {
            Some(_) => Created::Taken,
            None => Created::Created(receipt),
        })
    }
}

/// Inserts a record.
pub(super) fn insert<'q>(
    statements: &'q Statements,
    id: &'q SessionId,
    new: &'q NewRecord,
    sealed: &'q Sealed,
) -> Asked<'q> {
    let client = new.client.as_ref();
    let lifetime = bounded(new.lifetime);
    sqlx::query(&statements.create)
        .bind(id.as_bytes().as_slice())
        .bind(new.layer.as_str().as_bytes())
        .bind(new.user.as_ref().map(|user| user.as_str().as_bytes()))
        .bind(client.and_then(Client::address).map(|address| address.to_string()))
        .bind(client.and_then(Client::agent))
        .bind(new.remember)
        .bind(&sealed.data)
        .bind(sealed.seal)
        .bind(millis(lifetime.idle.min(lifetime.absolute)))
}

pub(super) fn created(new: &NewRecord, done: &MySqlQueryResult) -> Receipt {
    let at = Timestamp::from_millis(done.last_insert_id().cast_signed());
    let expires_at = bounded(new.lifetime).expires_at(at, at);
    Receipt { version: 1, at, expires_at, evicted: 0 }
}

/// What became of a change.
pub(super) enum Moved {
    /// It is written.
    Done(Receipt),
    /// There is no such row, or it is not what the change was computed from.
    Differs,
    /// The new id is another row's.
    Taken,
}

/// Writes a change to the row that it was computed from, and moves that to another id if there is one.
pub(super) fn swapping<'q>(
    statements: &'q Statements,
    (id, to): (&'q SessionId, Option<&'q SessionId>),
    change: &'q Change,
    swap: &'q Swap,
) -> Asked<'q> {
    let lifetime = bounded(change.lifetime);
    let asked = match to {
        None => sqlx::query(&statements.apply),
        Some(to) => sqlx::query(&statements.rotate).bind(to.as_bytes().as_slice()),
    };
    asked
        .bind(change.restart)
        .bind(millis(lifetime.idle))
        .bind(change.restart)
        .bind(millis(lifetime.absolute))
        .bind(change.user.as_ref().map(|user| user.as_str().as_bytes()))
        .bind(change.remember)
        .bind(&swap.after.data)
        .bind(swap.after.seal)
        .bind(id.as_bytes().as_slice())
        .bind(swap.version)
        .bind(swap.before)
}

pub(super) fn moved(change: &Change, swap: &Swap, written: &Written) -> Moved {
    match written {
        Written::Taken => Moved::Taken,
        Written::Rows(done) if done.rows_affected() == 0 => Moved::Differs,
        Written::Rows(done) => {
            let at = Timestamp::from_millis(done.last_insert_id().cast_signed());
            let created_at = if change.restart { at } else { swap.created_at };
            Moved::Done(Receipt {
                version: swap.version.cast_unsigned() + 1,
                at,
                expires_at: bounded(change.lifetime).expires_at(created_at, at),
                evicted: 0,
            })
        }
    }
}

/// Others write to a row faster than a change can be laid over it.
pub(super) fn never_at_rest() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "others write to this session without a pause")
}
