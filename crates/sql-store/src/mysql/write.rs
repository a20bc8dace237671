//! Changes, moves, touches, deletes and imports sessions.

use std::sync::Arc;

use sqlx::mysql::MySqlQueryResult;
use tower_keep_core::{
    Change, Client, Created, Loaded, NewRecord, Receipt, Record, SessionId, StoreError, Timestamp,
    Touch, Touched,
};

use super::{
    keep::Keep,
    pool::{Asked, Written},
    statements::{EPOCH, Statements, VERSION_BITS},
    together,
    values::{bounded, millis, time},
};
use crate::{
    gather::Gather,
    row::{Sealed, Swap, version},
    server::{ATTEMPTS, Ids, Inserted, Moved, New, Outcome, Server, SignIn, Update, make_free},
};

impl Server for Arc<Keep> {
    async fn load(&self, id: &SessionId) -> Result<Option<Loaded>, StoreError> {
        Gather::ask(self, |keep| &keep.loads, *id, together::load).await
    }

    async fn insert(&self, id: &SessionId, new: &NewRecord) -> Result<Inserted, StoreError> {
        Gather::ask(self, |keep| &keep.creates, New::of(id, new)?, together::create).await
    }

    async fn swap(&self, ids: Ids<'_>, change: &Change, swap: Swap) -> Result<Moved, StoreError> {
        if ids.to.is_none() && Update::is(change) {
            let update = Update { id: *ids.from, lifetime: change.lifetime, swap };
            return Gather::ask(self, |keep| &keep.updates, update, together::update).await;
        }
        let ask = |_| swapping(&self.statements, ids, change, &swap);
        Ok(moved(change, &swap, &self.pool.write(ask).await?))
    }

    async fn clear_expired(&self, id: &SessionId) -> Result<(), StoreError> {
        let ask = |_| sqlx::query(&self.statements.clear_expired).bind(id.as_bytes().as_slice());
        self.pool.write(ask).await.map(drop)
    }

    async fn sign_in(&self, sign_in: &SignIn<'_>) -> Result<Outcome, StoreError> {
        self.transact(sign_in).await
    }
}

impl Keep {
    pub(super) async fn touch(
        self: &Arc<Self>,
        id: &SessionId,
        touch: Touch,
    ) -> Result<Touched, StoreError> {
        let lifetime = bounded(touch.lifetime);
        let ask = |_| {
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
        let at = Timestamp::from_millis((told >> VERSION_BITS).cast_signed() + EPOCH);
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
        let ask = |_| sqlx::query(&self.statements.delete).bind(id.as_bytes().as_slice());
        Ok(matches!(self.pool.write(ask).await?, Written::Rows(done) if done.rows_affected() > 0))
    }

    pub(super) async fn import(
        self: &Arc<Self>,
        id: &SessionId,
        record: &Record,
    ) -> Result<Created, StoreError> {
        let sealed = Sealed::new(id, &record.fields)?;
        let receipt = Receipt::of(record, record.last_active);
        let ask = |_| {
            let client = record.client.as_ref();
            sqlx::query(&self.statements.import)
                .bind(id.as_bytes().as_slice())
                .bind(record.layer.as_str().as_bytes())
                .bind(record.user.as_ref().map(|user| user.as_str().as_bytes()))
                .bind(client.and_then(Client::address).map(|address| address.to_string()))
                .bind(client.and_then(Client::agent))
                .bind(record.remember)
                .bind(&*sealed.data)
                .bind(sealed.seal)
                .bind(version(record.version))
                .bind(time(record.created_at))
                .bind(time(record.last_active))
                .bind(time(record.expires_at))
                .bind(time(record.expires_at))
        };
        for _ in 0..ATTEMPTS {
            match self.pool.write(ask).await? {
                Written::Rows(done) if done.rows_affected() > 0 => {
                    return Ok(Created::Created(receipt));
                }
                // It has expired and is not stored.
                Written::Rows(_) => break,
                Written::Taken if make_free(self, id).await? => {}
                Written::Taken => break,
            }
        }
        Ok(match self.load(id).await? {
            Some(_) => Created::Taken,
            None => Created::Created(receipt),
        })
    }
}

/// Adds the values of a record to a statement that inserts some.
pub(super) fn fill<'q>(asked: Asked<'q>, new: &'q New) -> Asked<'q> {
    let New { id, record, sealed } = new;
    let client = record.client.as_ref();
    let lifetime = bounded(record.lifetime);
    asked
        .bind(id.as_bytes().as_slice())
        .bind(record.layer.as_str().as_bytes())
        .bind(record.user.as_ref().map(|user| user.as_str().as_bytes()))
        .bind(client.and_then(Client::address).map(|address| address.to_string()))
        .bind(client.and_then(Client::agent))
        .bind(record.remember)
        .bind(&*sealed.data)
        .bind(sealed.seal)
        .bind(millis(lifetime.idle.min(lifetime.absolute)))
}

pub(super) fn created(new: &NewRecord, done: &MySqlQueryResult) -> Receipt {
    let at = Timestamp::from_millis(done.last_insert_id().cast_signed());
    let expires_at = bounded(new.lifetime).expires_at(at, at);
    Receipt { version: 1, at, expires_at, evicted: 0 }
}

/// Writes a change to the row that it was computed from, and moves that to another id if there is one.
pub(super) fn swapping<'q>(
    statements: &'q Statements,
    Ids { from, to }: Ids<'q>,
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
        .bind(&*swap.after.data)
        .bind(swap.after.seal)
        .bind(from.as_bytes().as_slice())
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
