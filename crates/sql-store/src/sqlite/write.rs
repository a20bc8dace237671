//! Creates, changes, moves, touches, deletes and imports sessions.

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, ToSql, params, params_from_iter};
use tower_keep_core::{
    Applied, Change, Client, Created, Lifetime, NewRecord, Receipt, Record, Rotated, SessionId,
    StoreError, Timestamp, Touch, Touched, UserLimit,
};

use super::{
    error::failed,
    find::load,
    statements::Statements,
    worker::{Ending, whole},
};
use crate::{
    limit::Room,
    row::{Sealed, Swap, version},
};

/// Longer than anybody keeps sessions, and short enough that no sum of times wraps.
const LONGEST: i64 = 1 << 60;

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(LONGEST).min(LONGEST)
}

fn bytes(id: &SessionId) -> &[u8] {
    id.as_bytes()
}

impl Statements {
    /// Inserts a record, over an expired one at most; tells whether the id was free.
    fn insert(
        &self,
        connection: &Connection,
        id: &SessionId,
        record: &Record,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sealed = Sealed::new(id, &record.fields)?;
        let client = record.client.as_ref();
        let inserted = connection.prepare_cached(&self.create).and_then(|mut statement| {
            statement.execute(params![
                bytes(id),
                record.layer.as_str(),
                record.user.as_ref().map(|user| user.as_str()),
                client.and_then(Client::address).map(|address| address.to_string()),
                client.and_then(Client::agent),
                record.created_at.as_millis(),
                record.last_active.as_millis(),
                record.expires_at.as_millis(),
                version(record.version),
                record.remember,
                sealed.data,
                sealed.seal,
                now.as_millis(),
            ])
        });
        Ok(inserted.map_err(failed)? == 1)
    }

    pub(super) fn create(
        &self,
        connection: &Connection,
        id: &SessionId,
        new: NewRecord,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        let limit = new.user_limit;
        let record = new.at(now);
        let mut receipt = Receipt::of(&record, now);
        let (Some(user), Some(limit)) = (&record.user, limit) else {
            let free = self.insert(connection, id, &record, now)?;
            return Ok(if free { Created::Created(receipt) } else { Created::Taken });
        };
        whole(connection, || {
            if !self.insert(connection, id, &record, now)? {
                return Ok(Ending::Undo(Created::Taken));
            }
            Ok(match self.make_room(connection, id, user.as_str(), limit, now)? {
                Some(evicted) => {
                    receipt.evicted = evicted;
                    Ending::Keep(Created::Created(receipt))
                }
                None => Ending::Undo(Created::OverLimit),
            })
        })
    }

    pub(super) fn import(
        &self,
        connection: &Connection,
        id: &SessionId,
        record: &Record,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        let receipt = Receipt::of(record, now);
        if record.is_expired(now) {
            let live = load(self, connection, id, now)?.is_some();
            return Ok(if live { Created::Taken } else { Created::Created(receipt) });
        }
        let free = self.insert(connection, id, record, now)?;
        Ok(if free { Created::Created(receipt) } else { Created::Taken })
    }

    /// One statement, unless the row is not what the change was computed from.
    pub(super) fn apply(
        &self,
        connection: &Connection,
        id: &SessionId,
        change: &Change,
        swap: Swap,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        if let Some(receipt) = self.swap(connection, (id, None), change, &swap, now)? {
            return Ok(Applied::Applied(receipt));
        }
        let Some(fresh) = load(self, connection, id, now)? else {
            return Ok(Applied::Gone);
        };
        if change.fits(fresh.record.version) {
            // In this transaction nobody writes in between.
            let swap = Swap::of_fresh(change, &fresh.record, id, id)?;
            if let Some(receipt) = self.swap(connection, (id, None), change, &swap, now)? {
                return Ok(Applied::Applied(receipt));
            }
        }
        Ok(Applied::Conflict(fresh))
    }

    pub(super) fn rotate(
        &self,
        connection: &Connection,
        (old, new): (&SessionId, &SessionId),
        change: &Change,
        swap: &Swap,
        now: Timestamp,
    ) -> Result<Rotated, StoreError> {
        whole(connection, || {
            let mut moved = self.swap(connection, (old, Some(new)), change, swap, now)?;
            if moved.is_none() {
                let Some(fresh) = load(self, connection, old, now)? else {
                    return Ok(Ending::Undo(Rotated::Gone));
                };
                if fresh.record.version != change.base_version {
                    return Ok(Ending::Undo(Rotated::Conflict(fresh)));
                }
                // Under a random id lies nothing, unless it was chosen.
                self.clear_expired(connection, new, now)?;
                let swap = Swap::of_fresh(change, &fresh.record, old, new)?;
                moved = self.swap(connection, (old, Some(new)), change, &swap, now)?;
            }
            let Some(mut receipt) = moved else { return Ok(Ending::Undo(Rotated::Taken)) };
            if let (Some(user), Some(limit)) = (&change.user, change.user_limit) {
                match self.make_room(connection, new, user.as_str(), limit, now)? {
                    Some(evicted) => receipt.evicted = evicted,
                    None => return Ok(Ending::Undo(Rotated::OverLimit)),
                }
            }
            Ok(Ending::Keep(Rotated::Rotated(receipt)))
        })
    }

    /// Writes a change to the row that it was computed from, and moves that to another id if there is
    /// one; `None` if there is no such row, or the other id is taken.
    fn swap(
        &self,
        connection: &Connection,
        (id, to): (&SessionId, Option<&SessionId>),
        change: &Change,
        swap: &Swap,
        now: Timestamp,
    ) -> Result<Option<Receipt>, StoreError> {
        let user = change.user.as_ref().map(|user| user.as_str());
        let (idle, absolute) = (millis(change.lifetime.idle), millis(change.lifetime.absolute));
        let now_millis = now.as_millis();
        let data = &swap.after.data;
        let id = bytes(id);
        let values: [&dyn ToSql; 11] = [
            &id,
            &swap.version,
            &change.restart,
            &idle,
            &absolute,
            &user,
            &change.remember,
            data,
            &now_millis,
            &swap.after.seal,
            &swap.before,
        ];
        let text = if to.is_some() { &self.rotate } else { &self.apply };
        let written = connection.prepare_cached(text).and_then(|mut statement| {
            let to = to.map(bytes);
            let values = values.into_iter().chain(to.as_ref().map(|to| to as &dyn ToSql));
            statement.query_row(params_from_iter(values), |row| receipt(row, now)).optional()
        });
        written.map_err(failed)
    }

    fn clear_expired(
        &self,
        connection: &Connection,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let cleared = connection
            .prepare_cached(&self.clear_expired)
            .and_then(|mut statement| statement.execute(params![bytes(id), now.as_millis()]));
        cleared.map(drop).map_err(failed)
    }

    pub(super) fn touch(
        &self,
        connection: &Connection,
        id: &SessionId,
        touch: Touch,
        now: Timestamp,
    ) -> Result<Touched, StoreError> {
        let Lifetime { idle, absolute, .. } = touch.lifetime;
        let touched = connection.prepare_cached(&self.touch).and_then(|mut statement| {
            let values = params![bytes(id), now.as_millis(), millis(idle), millis(absolute)];
            statement.query_row(values, |row| receipt(row, now)).optional()
        });
        Ok(touched.map_err(failed)?.map_or(Touched::Gone, Touched::Touched))
    }

    pub(super) fn delete(
        &self,
        connection: &Connection,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let deleted = connection.prepare_cached(&self.delete).and_then(|mut statement| {
            statement.query_row(params![bytes(id), now.as_millis()], |row| row.get(0)).optional()
        });
        Ok(deleted.map_err(failed)?.unwrap_or(false))
    }

    /// Makes room for a session of a user beside the others; tells how many had to go, `None` if it
    /// has no room.
    fn make_room(
        &self,
        connection: &Connection,
        id: &SessionId,
        user: &str,
        limit: UserLimit,
        now: Timestamp,
    ) -> Result<Option<u32>, StoreError> {
        let others = connection.prepare_cached(&self.others).and_then(|mut statement| {
            let values = params![user, bytes(id), now.as_millis()];
            let rows = statement.query_map(values, |row| row.get::<_, [u8; 32]>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        let others = others.map_err(failed)?;
        let Room::After(evicted) = Room::beside(others.len(), limit) else {
            return Ok(None);
        };
        for other in &others[..evicted] {
            self.delete(connection, &SessionId::from_bytes(*other), now)?;
        }
        Ok(Some(u32::try_from(evicted).unwrap_or(u32::MAX)))
    }
}

fn receipt(row: &SqlRow<'_>, at: Timestamp) -> rusqlite::Result<Receipt> {
    let version: i64 = row.get(0)?;
    let expires_at = Timestamp::from_millis(row.get(1)?);
    Ok(Receipt { version: version.cast_unsigned(), at, expires_at, evicted: 0 })
}
