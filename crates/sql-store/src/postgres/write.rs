//! Changes, moves, touches, deletes and imports sessions.

use std::sync::Arc;

use tokio_postgres::types::ToSql;
use tower_keep_core::{
    Change, Client, Created, Loaded, NewRecord, Receipt, Record, SessionId, StoreError, Touch,
    Touched,
};

use super::{
    error::failed,
    keep::Keep,
    lanes::{Answer, Repeat},
    statements::Which,
    together,
    values::{Instant, Json, millis, receipt},
};
use crate::{
    data::escape_text,
    gather::Gather,
    row::{Sealed, Swap, version},
    server::{ATTEMPTS, Ids, Inserted, Moved, New, Outcome, Server, SignIn, Update, make_free},
};

/// What runs the statements of an operation: the shared connections, or one in a transaction.
pub(super) trait Run: Sync {
    fn run(
        &self,
        which: Which,
        values: &[&(dyn ToSql + Sync)],
    ) -> impl Future<Output = Result<Answer, StoreError>> + Send;
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
        write(&**self, ids, change, &swap).await
    }

    async fn clear_expired(&self, id: &SessionId) -> Result<(), StoreError> {
        let values: &[&(dyn ToSql + Sync)] = &[&id.as_bytes().as_slice()];
        self.run(Which::ClearExpired, values).await.map(drop)
    }

    async fn sign_in(&self, sign_in: &SignIn<'_>) -> Result<Outcome, StoreError> {
        self.transact(sign_in).await
    }
}

impl Keep {
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
        self: &Arc<Self>,
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
                Answer::Taken if make_free(self, id).await? => {}
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

/// Writes a change to the row that it was computed from, and moves that to another id if there is one.
pub(super) async fn write(
    on: &impl Run,
    Ids { from: id, to }: Ids<'_>,
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
