//! Creates, changes, moves, touches, deletes and imports sessions.

use tokio_postgres::types::ToSql;
use tower_keep_core::{
    Applied, Change, Client, Created, NewRecord, Receipt, Record, Rotated, SessionId, StoreError,
    StoreErrorKind, Touch, Touched,
};

use super::{
    error::failed,
    keep::Keep,
    lanes::{Answer, Repeat},
    statements::Which,
    values::{Instant, Json, millis, receipt},
};
use crate::{
    data::escape_text,
    row::{ATTEMPTS, Sealed, Swap, version},
};

/// What runs the statements of an operation: the shared connections, or one in a transaction.
pub(super) trait Run {
    async fn run(&self, which: Which, values: &[&(dyn ToSql + Sync)])
    -> Result<Answer, StoreError>;
}

impl Run for Keep {
    async fn run(
        &self,
        which: Which,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Answer, StoreError> {
        self.lanes.run(which, Repeat::Never, values).await
    }
}

impl Keep {
    pub(super) async fn create(
        &self,
        id: &SessionId,
        new: &NewRecord,
    ) -> Result<Created, StoreError> {
        if let (Some(user), Some(limit)) = (&new.user, new.user_limit) {
            return self.create_limited(id, new, user, limit).await;
        }
        for _ in 0..ATTEMPTS {
            match insert(self, id, new).await? {
                Created::Taken if self.make_free(id).await? => {}
                answer => return Ok(answer),
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
            if let Moved::Done(receipt) = write(self, (id, None), change, &swap).await? {
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
            match write(self, (old, Some(new)), change, &swap).await? {
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
        let values: &[&(dyn ToSql + Sync)] = &[&id.as_bytes().as_slice()];
        self.run(Which::ClearExpired, values).await?;
        Ok(self.load(id).await?.is_none())
    }

    pub(super) async fn touch(&self, id: &SessionId, touch: Touch) -> Result<Touched, StoreError> {
        let (idle, absolute) = (millis(touch.lifetime.idle), millis(touch.lifetime.absolute));
        let values: &[&(dyn ToSql + Sync)] = &[&id.as_bytes().as_slice(), &idle, &absolute];
        Ok(match self.run(Which::Touch, values).await? {
            Answer::Rows(rows) => match rows.first() {
                Some(row) => Touched::Touched(receipt(row)?),
                None => Touched::Gone,
            },
            Answer::Taken => Touched::Gone,
        })
    }

    pub(super) async fn delete(&self, id: &SessionId) -> Result<bool, StoreError> {
        let values: &[&(dyn ToSql + Sync)] = &[&id.as_bytes().as_slice()];
        match self.run(Which::Delete, values).await? {
            Answer::Rows(rows) => {
                rows.first().map_or(Ok(false), |row| row.try_get(0).map_err(failed))
            }
            Answer::Taken => Ok(false),
        }
    }

    pub(super) async fn import(
        &self,
        id: &SessionId,
        record: &Record,
    ) -> Result<Created, StoreError> {
        let sealed = Sealed::new(id, &record.fields)?;
        let client = record.client.as_ref();
        let values: &[&(dyn ToSql + Sync)] = &[
            &id.as_bytes().as_slice(),
            &escape_text(record.layer.as_str()),
            &record.user.as_ref().map(|user| escape_text(user.as_str())),
            &client.and_then(Client::address),
            &client.and_then(Client::agent).map(escape_text),
            &Instant(record.created_at),
            &Instant(record.last_active),
            &Instant(record.expires_at),
            &version(record.version),
            &record.remember,
            &Json(&sealed.data),
            &sealed.seal,
        ];
        for _ in 0..ATTEMPTS {
            match self.run(Which::Import, values).await? {
                Answer::Taken if self.make_free(id).await? => {}
                Answer::Taken => return Ok(Created::Taken),
                Answer::Rows(rows) => match rows.first() {
                    Some(row) => return Ok(Created::Created(receipt(row)?)),
                    None => break,
                },
            }
        }
        // It has expired and is not stored.
        Ok(match self.load(id).await? {
            Some(_) => Created::Taken,
            None => Created::Created(Receipt::of(record, record.expires_at)),
        })
    }
}

/// Inserts a record, if no other has the id, not even an expired one.
pub(super) async fn insert(
    on: &impl Run,
    id: &SessionId,
    new: &NewRecord,
) -> Result<Created, StoreError> {
    let sealed = Sealed::new(id, &new.fields)?;
    let client = new.client.as_ref();
    let values: &[&(dyn ToSql + Sync)] = &[
        &id.as_bytes().as_slice(),
        &escape_text(new.layer.as_str()),
        &new.user.as_ref().map(|user| escape_text(user.as_str())),
        &client.and_then(Client::address),
        &client.and_then(Client::agent).map(escape_text),
        &millis(new.lifetime.idle.min(new.lifetime.absolute)),
        &new.remember,
        &Json(&sealed.data),
        &sealed.seal,
    ];
    match on.run(Which::Create, values).await? {
        Answer::Rows(rows) => match rows.first() {
            Some(row) => Ok(Created::Created(receipt(row)?)),
            None => Ok(Created::Taken),
        },
        Answer::Taken => Ok(Created::Taken),
    }
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
pub(super) async fn write(
    on: &impl Run,
    (id, to): (&SessionId, Option<&SessionId>),
    change: &Change,
    swap: &Swap,
) -> Result<Moved, StoreError> {
    let (idle, absolute) = (millis(change.lifetime.idle), millis(change.lifetime.absolute));
    let user = change.user.as_ref().map(|user| escape_text(user.as_str()));
    let id = id.as_bytes().as_slice();
    let to = to.map(|to| to.as_bytes().as_slice());
    let data = Json(&swap.after.data);
    let mut values: Vec<&(dyn ToSql + Sync)> = vec![
        &id,
        &swap.version,
        &swap.before,
        &change.restart,
        &idle,
        &absolute,
        &user,
        &change.remember,
        &data,
        &swap.after.seal,
    ];
    let which = match &to {
        None => Which::Apply,
        Some(to) => {
            values.push(to);
            Which::Rotate
        }
    };
    Ok(match on.run(which, &values).await? {
        Answer::Rows(rows) => match rows.first() {
            Some(row) => Moved::Done(receipt(row)?),
            None => Moved::Differs,
        },
        Answer::Taken => Moved::Taken,
    })
}

/// Others write to a row faster than a change can be laid over it.
pub(super) fn never_at_rest() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "others write to this session without a pause")
}
